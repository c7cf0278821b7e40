//! The key and the client's address, from the headers of a request.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::net::IpAddr;

use enclava_keys::policy::{AddressRules, resolve_client_ip};
use enclava_keys::wire::{BearerOptions, bearer};

use crate::denial::enclava_denial;
use crate::fault::Fault;
use crate::guard::{decide, guard};
use crate::handle::given;
use crate::status::enclava_status;
use crate::text::{Buffer, enclava_str, items};

/// Look for the key in `x-api-key` too, as Anthropic's clients send it.
pub const ENCLAVA_HEADER_X_API_KEY: u32 = 1;
/// Look for the key in `api-key` too, as Azure's clients send it.
pub const ENCLAVA_HEADER_API_KEY: u32 = 2;
/// Look for the key in `x-goog-api-key` too, as Gemini's clients send it.
pub const ENCLAVA_HEADER_X_GOOG_API_KEY: u32 = 4;

/// One header of a request.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct enclava_header {
    /// Its name, in any case.
    pub name: enclava_str,
    /// Its value.
    pub value: enclava_str,
}

/// Finds the key among `count` headers: that of `Authorization: Bearer`, and of those that `flags` adds. `secret` becomes
/// a part of the header's value and lives as long as that; its shape is not judged here.
///
/// Callable from any thread.
/// @return ENCLAVA_STATUS_DENIED with a denial to send if there is no key, or two different ones; then `secret` is not
/// stated. `denial` may be NULL.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_bearer(
    headers: *const enclava_header,
    count: usize,
    flags: u32,
    secret: Option<&mut MaybeUninit<enclava_str>>,
    denial: Option<&mut MaybeUninit<*mut enclava_denial>>,
) -> enclava_status {
    decide(denial, || {
        let secret = given(secret, "secret")?;
        secret.write(enclava_str { data: std::ptr::null(), len: 0 });
        let known = ENCLAVA_HEADER_X_API_KEY | ENCLAVA_HEADER_API_KEY | ENCLAVA_HEADER_X_GOOG_API_KEY;
        if flags & !known != 0 {
            return Err(Fault::value("flags", "must be made of ENCLAVA_HEADER_* alone"));
        }
        let options = BearerOptions {
            x_api_key: flags & ENCLAVA_HEADER_X_API_KEY != 0,
            api_key: flags & ENCLAVA_HEADER_API_KEY != 0,
            x_goog_api_key: flags & ENCLAVA_HEADER_X_GOOG_API_KEY != 0,
        };
        let mut read = Vec::new();
        for header in items(headers, count, "headers")? {
            // A name that is not text is no name of ours.
            let Ok(name) = std::str::from_utf8(header.name.bytes("header.name")?) else { continue };
            read.push((name, header.value.bytes("header.value")?));
        }
        let found = bearer(read, &options)?;
        secret.write(enclava_str { data: found.as_ptr().cast(), len: found.len() });
        Ok(())
    })
}

/// Finds the client's address: the nearest hop that is not one of the gateway's own proxies. `peer` is the other end of the
/// socket, `forwarded` the values of the X-Forwarded-For headers in their order, `trusted` the addresses and networks whose
/// word counts.
///
/// Callable from any thread.
/// @return ENCLAVA_STATUS_INVALID_VALUE if `peer`, `trusted` or a hop that has to be read is not an address.
#[must_use]
#[unsafe(no_mangle)]
pub extern "C" fn enclava_client_ip(
    peer: enclava_str,
    forwarded: *const enclava_str,
    forwarded_count: usize,
    trusted: *const enclava_str,
    trusted_count: usize,
    buffer: *mut c_char,
    capacity: usize,
    len: Option<&mut MaybeUninit<usize>>,
) -> enclava_status {
    guard(|| {
        let peer: IpAddr =
            peer.text("peer")?.parse().map_err(|_| Fault::value("peer", "must be an IP address"))?;
        let mut networks = Vec::new();
        for entry in items(trusted, trusted_count, "trusted")? {
            let entry = AddressRules::parse_entry(entry.text("trusted")?);
            networks.push(entry.map_err(|error| Fault::value("trusted", error))?);
        }
        let forwarded = items(forwarded, forwarded_count, "forwarded")?;
        let forwarded = forwarded.iter().map(|value| value.text("forwarded"));
        let forwarded = forwarded.collect::<Result<Vec<_>, _>>()?;
        let client = resolve_client_ip(peer, forwarded, &AddressRules::new(networks));
        let client = client.map_err(|error| Fault::value("forwarded", error))?;
        Buffer::new(buffer, capacity, len).write(&client.to_string())
    })
}
