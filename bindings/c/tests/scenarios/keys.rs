//! Steps that manage keys, and those that only ask who somebody is.

use std::mem::MaybeUninit;
use std::ptr::null;

use enclava::*;
use serde_json::{Value, json};

use super::answer::{self, Answer, Failed, decided, explained};
use super::handles::{fixed, lent, place, stated, taken, text};
use super::steps::{AllowedModels, Bearer, ClientIp, Create, Delete, Import, List, Rotate, Update, Verify};
use super::world::World;

/// A function that changes, or reads, one key.
pub(super) type Switch = extern "C" fn(
    Option<&enclava_gate>,
    enclava_str,
    Option<&mut MaybeUninit<*mut enclava_key>>,
    Option<&mut MaybeUninit<*mut enclava_error>>,
) -> enclava_status;

impl World<'_> {
    pub(super) fn create(&mut self, step: &Create) -> Answer {
        let spec =
            step.spec.as_ref().map_or(step.spec_text.as_deref().unwrap_or_default(), |spec| spec.get());
        let (mut key, mut secret, mut error) = (place(), place(), place());
        let (gate, spec) = (Some(&*self.gate), lent(spec));
        let status = enclava_key_create(gate, spec, Some(&mut key), Some(&mut secret), Some(&mut error));
        let (key, secret) = (taken(key), taken(secret));
        explained(status, error)?;
        let (key, secret) = (key.unwrap(), secret.unwrap());
        self.remember(step.name.as_deref(), &key);
        Ok(self.shown(step.name.as_deref(), &key, &secret))
    }

    pub(super) fn import(&mut self, step: &Import) -> Answer {
        let (mut key, mut error) = (place(), place());
        let spec = lent(step.spec.get());
        let status = enclava_key_import(Some(&self.gate), spec, Some(&mut key), Some(&mut error));
        let key = taken(key);
        explained(status, error)?;
        let key = key.unwrap();
        self.remember(step.name.as_deref(), &key);
        Ok(answer::key(&key, self.now.as_micros()))
    }

    pub(super) fn update(&mut self, step: &Update) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        let (mut key, mut error) = (place(), place());
        let status = enclava_key_update(
            Some(&self.gate),
            lent(&id),
            lent(step.changes.get()),
            step.revision.unwrap_or(0),
            if step.widen { ENCLAVA_UPDATE_WIDEN } else { 0 },
            Some(&mut key),
            Some(&mut error),
        );
        let key = taken(key);
        Ok(explained(status, error).map(|()| answer::key(&key.unwrap(), self.now.as_micros())))
    }

    pub(super) fn rotate(&mut self, step: &Rotate) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        let Ok(overlap) = u64::try_from(step.overlap) else {
            return Ok(Err(Failed::argument("an overlap is not negative")));
        };
        let (mut key, mut secret, mut error) = (place(), place(), place());
        let (gate, id) = (Some(&*self.gate), lent(&id));
        let status =
            enclava_key_rotate(gate, id, overlap, Some(&mut key), Some(&mut secret), Some(&mut error));
        let (key, secret) = (taken(key), taken(secret));
        Ok(explained(status, error)
            .map(|()| self.shown(step.name.as_deref(), &key.unwrap(), &secret.unwrap())))
    }

    pub(super) fn switch(&self, key: &str, switch: Switch) -> Result<Answer, String> {
        let id = self.key(key)?;
        let (mut key, mut error) = (place(), place());
        let status = switch(Some(&self.gate), lent(&id), Some(&mut key), Some(&mut error));
        let key = taken(key);
        Ok(explained(status, error).map(|()| answer::key(&key.unwrap(), self.now.as_micros())))
    }

    pub(super) fn delete(&self, step: &Delete) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        let mut error = place();
        let status = enclava_key_delete(Some(&self.gate), lent(&id), Some(&mut error));
        Ok(explained(status, error).map(|()| json!({})))
    }

    pub(super) fn list(&self, step: &List) -> Result<Answer, String> {
        let after = step.after.as_deref().map(|name| self.key(name)).transpose()?;
        let (mut page, mut error) = (place(), place());
        let limit = step.limit.unwrap_or(usize::MAX);
        let after = stated(after.as_deref());
        let status = enclava_key_list(Some(&self.gate), after, limit, Some(&mut page), Some(&mut error));
        let page = taken(page);
        let page = page.as_deref();
        Ok(explained(status, error).map(|()| {
            let ids = (0..enclava_key_page_count(page)).map(|place| {
                let key = enclava_key_page_at(page, place);
                text(|b, c, l| enclava_key_id(key, b, c, l))
            });
            json!({ "keys": ids.map(|id| self.name_of(&id)).collect::<Vec<_>>() })
        }))
    }

    pub(super) fn verify(&self, step: &Verify) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        let (mut key, mut denial) = (place(), place());
        let status = enclava_gate_verify(Some(&self.gate), lent(&secret), Some(&mut key), Some(&mut denial));
        let key = taken(key);
        Ok(decided(status, denial).map(|()| {
            let id = text(|b, c, l| enclava_key_id(key.as_deref(), b, c, l));
            json!({ "key": self.name_of(&id) })
        }))
    }

    pub(super) fn allowed_models(&self, step: &AllowedModels) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        let models: Vec<enclava_str> = step.models.iter().map(|model| lent(model)).collect();
        let mut allowed = vec![7; models.len()];
        let mut denial = place();
        let status = enclava_gate_allowed_models(
            Some(&self.gate),
            lent(&secret),
            models.as_ptr(),
            models.len(),
            allowed.as_mut_ptr(),
            Some(&mut denial),
        );
        Ok(decided(status, denial).map(|()| {
            let models = step.models.iter().zip(allowed).filter(|(_, allowed)| *allowed == 1);
            json!({ "models": models.map(|(model, _)| model).collect::<Vec<_>>() })
        }))
    }

    pub(super) fn bearer(step: &Bearer) -> Result<Answer, String> {
        let mut flags = 0;
        for header in &step.also {
            flags |= match header.as_str() {
                "x-api-key" => ENCLAVA_HEADER_X_API_KEY,
                "api-key" => ENCLAVA_HEADER_API_KEY,
                "x-goog-api-key" => ENCLAVA_HEADER_X_GOOG_API_KEY,
                other => return Err(format!("{other:?} is no header of a key")),
            };
        }
        let headers: Vec<enclava_header> = step
            .headers
            .iter()
            .map(|(name, value)| enclava_header { name: lent(name), value: lent(value) })
            .collect();
        let mut secret = MaybeUninit::new(enclava_str { data: null(), len: 7 });
        let mut denial = place();
        let status =
            enclava_bearer(headers.as_ptr(), headers.len(), flags, Some(&mut secret), Some(&mut denial));
        // SAFETY: written when it was made; what it points to belongs to the headers.
        let found = unsafe {
            let found = secret.assume_init();
            if found.data.is_null() {
                &[]
            } else {
                std::slice::from_raw_parts(found.data.cast::<u8>(), found.len)
            }
        };
        Ok(decided(status, denial).map(|()| json!({ "key": String::from_utf8_lossy(found) })))
    }

    pub(super) fn client_ip(step: &ClientIp) -> Answer {
        let list = |texts: &[String]| texts.iter().map(|text| lent(text)).collect::<Vec<enclava_str>>();
        let (forwarded, trusted) = (list(&step.forwarded), list(&step.trusted));
        let mut buffer = [0x7f_u8; 64];
        let status = enclava_client_ip(
            lent(&step.peer),
            forwarded.as_ptr(),
            forwarded.len(),
            trusted.as_ptr(),
            trusted.len(),
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            None,
        );
        match status {
            enclava_status::Ok => Ok(json!({ "ip": fixed(buffer.as_ptr().cast()) })),
            status => Err(Failed::plain(status, "a forwarding hop is not an IP address".into())),
        }
    }

    fn remember(&mut self, name: Option<&str>, key: &enclava_key) {
        if let Some(name) = name {
            self.keys.insert(name.to_owned(), text(|b, c, l| enclava_key_id(Some(key), b, c, l)));
        }
    }

    fn shown(&mut self, name: Option<&str>, key: &enclava_key, secret: &enclava_secret) -> Value {
        let text = fixed(enclava_secret_reveal(Some(secret)));
        let mut shown = answer::key(key, self.now.as_micros());
        let record = shown.as_object_mut().unwrap();
        let prefix = record["prefix"].as_str().unwrap();
        let prefix = if text.starts_with(prefix) { prefix.to_owned() } else { String::new() };
        record.insert("secret_prefix".to_owned(), prefix.into());
        record.insert("secret_length".to_owned(), text.len().into());
        if let Some(name) = name {
            self.secrets.insert(name.to_owned(), text);
        }
        shown
    }
}
