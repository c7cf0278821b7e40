//! The text of a key, which is shown once.

use std::ffi::c_char;
use std::ptr::null;

use enclava_keys::Secret;
use zeroize::Zeroizing;

use crate::guard::or;

/// The text of a new key. Show it once, to whoever will use it, and free it: that wipes it.
///
/// Immutable: any threads may read it at once.
pub struct enclava_secret {
    // INVARIANT: made with its full capacity, since growing would leave a copy behind that nobody wipes.
    text: Zeroizing<Vec<u8>>,
}

impl From<&Secret> for enclava_secret {
    fn from(secret: &Secret) -> Self {
        let shown = secret.reveal().as_bytes();
        let mut text = Zeroizing::new(Vec::with_capacity(shown.len().saturating_add(1)));
        text.extend_from_slice(shown);
        text.push(0);
        Self { text }
    }
}

impl std::fmt::Debug for enclava_secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("enclava_secret").finish_non_exhaustive()
    }
}

/// The text, such as "en_8f3d…": visible ASCII with a NUL behind it. NULL for NULL.
///
/// It belongs to the secret and lives as long: enclava_secret_free() wipes it. Wipe copies that you make.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_secret_reveal(secret: Option<&enclava_secret>) -> *const c_char {
    or(null(), || secret.map_or(null(), |secret| secret.text.as_ptr().cast()))
}

/// Wipes and frees a secret. NULL is nothing to free.
#[unsafe(no_mangle)]
pub extern "C" fn enclava_secret_free(secret: Option<Box<enclava_secret>>) {
    or((), || drop(secret));
}
