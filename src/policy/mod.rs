//! May this key do this? Models, addresses, endpoints and purpose. Pure functions.
