//! Steps that manage keys, and those that only ask who somebody is.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use enclava_keys::gate::NewKey;
use enclava_keys::policy::{AddressRules, resolve_client_ip};
use enclava_keys::wire::{BearerOptions, bearer};
use enclava_keys::{Error, Gate, Key, KeyEdit, KeyId, KeySpec};
use serde_json::{Value, json};

use super::answer::{self, Answer, Failed};
use super::steps::{AllowedModels, Bearer, ClientIp, Create, Delete, Import, List, Rotate, Update, Verify};
use super::world::{World, parsed};

impl World<'_> {
    pub(super) fn create(&mut self, step: &Create) -> Answer {
        let text =
            step.spec.as_ref().map_or(step.spec_text.as_deref().unwrap_or_default(), |spec| spec.get());
        let made = self.gate.create_key(&KeySpec::from_json(text).map_err(Error::from)?)?;
        self.remember(step.name.as_deref(), &made.key);
        Ok(self.shown(step.name.as_deref(), &made))
    }

    pub(super) fn import(&mut self, step: &Import) -> Answer {
        let key = self.gate.import_key(&KeySpec::from_json(step.spec.get()).map_err(Error::from)?)?;
        self.remember(step.name.as_deref(), &key);
        Ok(answer::key(&key, self.now()))
    }

    pub(super) fn update(&mut self, step: &Update) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        let edit = || -> Answer {
            let mut edit = KeyEdit::from_json(step.changes.get()).map_err(Error::from)?;
            if step.widen {
                edit = edit.widen();
            }
            if let Some(revision) = step.revision {
                edit = edit.at_revision(revision);
            }
            Ok(answer::key(&*self.gate.update_key(&id, &edit)?, self.now()))
        };
        Ok(edit())
    }

    pub(super) fn rotate(&mut self, step: &Rotate) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        let Ok(overlap) = u64::try_from(step.overlap) else {
            return Ok(Err(Failed::Argument("an overlap is not negative".into())));
        };
        Ok(match self.gate.rotate_key(&id, Duration::from_secs(overlap)) {
            Ok(made) => Ok(self.shown(step.name.as_deref(), &made)),
            Err(error) => Err(error.into()),
        })
    }

    pub(super) fn switch(
        &self,
        key: &str,
        switch: impl Fn(&Gate, &KeyId) -> Result<Arc<Key>, Error>,
    ) -> Result<Answer, String> {
        let id = self.key(key)?;
        Ok(switch(&self.gate, &id).map(|key| answer::key(&key, self.now())).map_err(Failed::from))
    }

    pub(super) fn delete(&self, step: &Delete) -> Result<Answer, String> {
        let id = self.key(&step.key)?;
        Ok(self.gate.delete_key(&id).map(|()| json!({})).map_err(Failed::from))
    }

    pub(super) fn list(&self, step: &List) -> Result<Answer, String> {
        let after = step.after.as_deref().map(|name| self.key(name)).transpose()?;
        let keys = self.gate.keys(after.as_ref(), step.limit.unwrap_or(usize::MAX));
        let names = keys.iter().map(|key| self.name_of(key.id()));
        Ok(Ok(json!({ "keys": names.collect::<Vec<_>>() })))
    }

    pub(super) fn verify(&self, step: &Verify) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        Ok(self
            .gate
            .verify(&secret)
            .map(|key| json!({ "key": self.name_of(key.id()) }))
            .map_err(Failed::from))
    }

    pub(super) fn allowed_models(&self, step: &AllowedModels) -> Result<Answer, String> {
        let secret = self.secret(&step.secret)?;
        let models = self.gate.allowed_models(&secret, step.models.iter().map(String::as_str));
        Ok(models.map(|models| json!({ "models": models })).map_err(Failed::from))
    }

    pub(super) fn bearer(step: &Bearer) -> Result<Answer, String> {
        let mut options = BearerOptions::default();
        for header in &step.also {
            match header.as_str() {
                "x-api-key" => options.x_api_key = true,
                "api-key" => options.api_key = true,
                "x-goog-api-key" => options.x_goog_api_key = true,
                other => return Err(format!("{other:?} is no header of a key")),
            }
        }
        let headers = step.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let key = bearer(headers, &options).map_err(Failed::from);
        Ok(key.map(|key| json!({ "key": String::from_utf8_lossy(key) })))
    }

    pub(super) fn client_ip(step: &ClientIp) -> Result<Answer, String> {
        let peer: IpAddr = parsed(&step.peer)?;
        let trusted = step.trusted.iter().map(|entry| AddressRules::parse_entry(entry));
        let trusted = trusted.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        let forwarded = step.forwarded.iter().map(String::as_str);
        let client = resolve_client_ip(peer, forwarded, &AddressRules::new(trusted));
        Ok(client.map(|ip| json!({ "ip": ip.to_string() })).map_err(Failed::invalid))
    }

    fn remember(&mut self, name: Option<&str>, key: &Key) {
        if let Some(name) = name {
            self.keys.insert(name.to_owned(), key.id().clone());
        }
    }

    fn shown(&mut self, name: Option<&str>, made: &NewKey) -> Value {
        let text = made.secret.reveal();
        let mut shown = answer::key(&made.key, self.now());
        if let Some(record) = shown.as_object_mut() {
            let prefix = made.key.prefix();
            let prefix = if text.starts_with(prefix.as_str()) { prefix.as_str() } else { "" };
            record.insert("secret_prefix".to_owned(), prefix.into());
            record.insert("secret_length".to_owned(), text.len().into());
        }
        if let Some(name) = name {
            self.secrets.insert(name.to_owned(), text.to_owned());
        }
        shown
    }
}
