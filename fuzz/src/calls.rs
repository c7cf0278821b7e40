//! The C functions in any order, with any bytes: handles are what they should be after every call, and nobody spends more
//! than there is.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::ptr::{null, null_mut};

#[allow(clippy::wildcard_imports, reason = "the functions carry their prefix")]
use enclava::*;

const SPEC: &str =
    r#"{"name": "k", "daily_spend_limit": 10, "daily_token_limit": 1000, "alert_threshold": 0.5}"#;

/// Bytes as they are used up: what to do next, and with what.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn small(&mut self) -> u8 {
        self.byte().unwrap_or(0)
    }

    /// A text of up to 63 bytes, or NULL with any length at all.
    fn text(&mut self) -> enclava_str {
        let wanted = self.small();
        if wanted >= 0xf0 {
            return enclava_str { data: null(), len: usize::from(wanted - 0xf0) };
        }
        let (text, rest) = self.0.split_at(usize::from(wanted % 64).min(self.0.len()));
        self.0 = rest;
        enclava_str { data: text.as_ptr().cast(), len: text.len() }
    }

    fn usage(&mut self) -> enclava_usage {
        let (usd, pico) = (i64::from(self.small()), i64::from(self.small()) << (self.small() % 48));
        let usd = if usd > 0xf0 { -usd } else { usd % 16 };
        enclava_usage { cost: enclava_money { usd, pico }, tokens: u64::from(self.small()) }
    }
}

/// What a program holds: one gate, one key, and the permits of its calls.
#[allow(clippy::vec_box, reason = "a handle is where the library put it")]
struct Program {
    gate: Box<enclava_gate>,
    id: String,
    secret: Box<enclava_secret>,
    permits: Vec<Box<enclava_permit>>,
}

/// Plays a program.
pub fn c_calls(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut program = Program::open();
    while let Some(call) = bytes.byte() {
        program.step(call, &mut bytes);
    }
    while let Some(permit) = program.permits.pop() {
        enclava_permit_free(Some(permit));
    }
    program.balance();
    enclava_secret_free(Some(program.secret));
    enclava_gate_free(Some(program.gate));
}

impl Program {
    fn open() -> Self {
        let (mut gate, mut key, mut secret) = (place(), place(), place());
        let opened = enclava_gate_open(lent("memory:"), null(), Some(&mut gate), None);
        assert_eq!(opened, enclava_status::Ok);
        let gate = taken(opened, gate).expect("a gate");
        let made = enclava_key_create(Some(&gate), lent(SPEC), Some(&mut key), Some(&mut secret), None);
        let (key, secret) = (taken(made, key).expect("a key"), taken(made, secret).expect("a secret"));
        let id = text(|b, c, l| enclava_key_id(Some(&key), b, c, l)).expect("an id");
        Self { gate, id, secret, permits: Vec::new() }
    }

    fn step(&mut self, call: u8, bytes: &mut Bytes<'_>) {
        match call % 24 {
            0..=5 => self.authorize(bytes),
            6 => self.authorize_body(bytes),
            7..=9 => self.end(
                |permit, bytes, settlement, error| {
                    enclava_permit_settle(permit, bytes.usage(), settlement, error)
                },
                bytes,
            ),
            10 => self.end(
                |permit, bytes, settlement, error| {
                    enclava_permit_settle_response(permit, bytes.text(), settlement, error)
                },
                bytes,
            ),
            11 => self
                .end(|permit, _, settlement, error| enclava_permit_finish(permit, settlement, error), bytes),
            12 => self.with(bytes, |permit, _| ignored(enclava_permit_release(permit, None))),
            13 => self.with(bytes, |permit, _| ignored(enclava_permit_dispatched(permit))),
            14 => self.with(bytes, |permit, bytes| ignored(enclava_permit_progress(permit, bytes.usage()))),
            15 => {
                self.with(bytes, |permit, bytes| ignored(enclava_permit_extend(permit, bytes.usage(), None)));
            }
            16 => self.with(bytes, |permit, bytes| ignored(enclava_permit_feed(permit, bytes.text()))),
            17 => self.with(bytes, |permit, _| ignored(enclava_permit_detach(permit))),
            18 => {
                let place = usize::from(bytes.small());
                if place < self.permits.len() {
                    enclava_permit_free(Some(self.permits.swap_remove(place)));
                }
            }
            19 => self.by_id(bytes),
            20 => self.edit(bytes),
            21 => self.read(bytes),
            22 => self.headers(bytes),
            _ => self.balance(),
        }
    }

    fn request(&self, bytes: &mut Bytes<'_>) -> enclava_request {
        let odd = bytes.small();
        let secret = enclava_secret_reveal(Some(&self.secret));
        enclava_request {
            size: if odd == 1 { u32::from(bytes.small()) } else { 136 },
            reserved: u32::from(odd == 2),
            secret: if odd == 3 { bytes.text() } else { enclava_str { data: secret, len: 35 } },
            model: bytes.text(),
            purpose: enclava_str { data: null(), len: usize::from(odd == 4) },
            endpoint: if odd == 5 { bytes.text() } else { enclava_str { data: null(), len: 0 } },
            ip: if odd == 6 { bytes.text() } else { enclava_str { data: null(), len: 0 } },
            request_id: if odd > 200 { bytes.text() } else { enclava_str { data: null(), len: 0 } },
            estimate: bytes.usage(),
            wait_milliseconds: 0,
        }
    }

    fn authorize(&mut self, bytes: &mut Bytes<'_>) {
        let request = self.request(bytes);
        let (mut permit, mut denial, mut decision) = (place(), place(), place());
        let checked = enclava_gate_check(Some(&self.gate), &raw const request, Some(&mut decision), None);
        let decision = taken(checked, decision);
        let status = enclava_gate_authorize(
            Some(&self.gate),
            &raw const request,
            Some(&mut permit),
            Some(&mut denial),
        );
        self.admitted(status, permit, denial);
        let admits = enclava_decision_verdict(decision.as_deref()) == enclava_verdict::Admit;
        // A request id may stand for a call that is over, which only the call itself finds out.
        assert!(admits == (status == enclava_status::Ok) || !request.request_id.data.is_null());
    }

    fn authorize_body(&mut self, bytes: &mut Bytes<'_>) {
        let request = self.request(bytes);
        let (mut permit, mut denial) = (place(), place());
        let (gate, body, floor) = (Some(&*self.gate), bytes.text(), u64::from(bytes.small()));
        let status = enclava_gate_authorize_request(
            gate,
            &raw const request,
            body,
            floor,
            Some(&mut permit),
            Some(&mut denial),
        );
        self.admitted(status, permit, denial);
    }

    // A permit and no denial, or a denial and no permit.
    fn admitted(
        &mut self,
        status: enclava_status,
        permit: MaybeUninit<*mut enclava_permit>,
        denial: MaybeUninit<*mut enclava_denial>,
    ) {
        self.permits.extend(taken(status, permit));
        let refused = if status == enclava_status::Ok { enclava_status::Panic } else { enclava_status::Ok };
        if let Some(denial) = taken(refused, denial) {
            let denial = Some(&*denial);
            assert!((400..600).contains(&enclava_denial_status(denial)));
            for dialect in [0, 1] {
                let body = text(|b, c, l| enclava_denial_body(denial, dialect, b, c, l)).expect("a body");
                let _: serde_json::Value = serde_json::from_str(&body).expect("JSON");
            }
            assert!(
                text(|b, c, l| enclava_denial_headers(denial, b, c, l)).expect("headers").ends_with("\r\n")
            );
        }
    }

    fn with(
        &mut self,
        bytes: &mut Bytes<'_>,
        call: impl FnOnce(Option<&mut enclava_permit>, &mut Bytes<'_>),
    ) {
        let place = usize::from(bytes.small() % 8);
        call(self.permits.get_mut(place).map(|permit| &mut **permit), bytes);
    }

    fn end(
        &mut self,
        end: impl FnOnce(
            Option<&mut enclava_permit>,
            &mut Bytes<'_>,
            Option<&mut MaybeUninit<*mut enclava_settlement>>,
            Option<&mut MaybeUninit<*mut enclava_error>>,
        ) -> enclava_status,
        bytes: &mut Bytes<'_>,
    ) {
        self.with(bytes, |permit, bytes| {
            let (mut settlement, mut error) = (place(), place());
            let status = end(permit, bytes, Some(&mut settlement), Some(&mut error));
            taken(status, settlement);
            let failed =
                if status == enclava_status::Ok { enclava_status::Panic } else { enclava_status::Ok };
            let error = taken(failed, error);
            assert_eq!(enclava_error_status(error.as_deref()), status);
            assert_ne!(status, enclava_status::Panic);
        });
    }

    fn by_id(&self, bytes: &mut Bytes<'_>) {
        let place = usize::from(bytes.small() % 8);
        let known = self.permits.get(place);
        let id = known.and_then(|permit| text(|b, c, l| enclava_permit_id(Some(permit), b, c, l)));
        let id = id.as_deref().map_or_else(|| bytes.text(), lent);
        let usage = bytes.usage();
        let _ = enclava_gate_settle(Some(&self.gate), id, usage, None, None);
        let _ = enclava_gate_release(Some(&self.gate), id, None);
        let _ = enclava_gate_record(Some(&self.gate), lent(&self.id), usage, bytes.text(), None, None);
    }

    fn edit(&self, bytes: &mut Bytes<'_>) {
        let id = if bytes.small() == 0 { bytes.text() } else { lent(&self.id) };
        let (revision, flags) = (u64::from(bytes.small() % 4), u32::from(bytes.small() % 3));
        let _ = enclava_key_update(Some(&self.gate), id, bytes.text(), revision, flags, None, None);
        let _ = enclava_key_disable(Some(&self.gate), id, None, None);
        let _ = enclava_key_enable(Some(&self.gate), id, None, None);
        let mut secret = place();
        let made = enclava_key_create(Some(&self.gate), bytes.text(), None, Some(&mut secret), None);
        taken(made, secret);
    }

    // Texts in buffers of any size.
    fn read(&mut self, bytes: &mut Bytes<'_>) {
        let mut buffer = [0x7f; 255];
        let (capacity, mut len) = (usize::from(bytes.small()).min(buffer.len()), MaybeUninit::new(0));
        let status =
            enclava_gate_stats(Some(&self.gate), buffer.as_mut_ptr().cast(), capacity, Some(&mut len));
        // SAFETY: it was written when it was made.
        let len = unsafe { len.assume_init() };
        assert_eq!(status == enclava_status::Ok, len < capacity);
        assert!(buffer[capacity..].iter().all(|byte| *byte == 0x7f), "written past the end");
        self.with(bytes, |permit, bytes| {
            let permit = permit.as_deref();
            let _ = text(|b, c, l| enclava_permit_model(permit, b, c, l));
            let body = bytes.text();
            let _ = text(|b, c, l| enclava_permit_body(permit, body, 1, b, c, l));
        });
    }

    fn headers(&self, bytes: &mut Bytes<'_>) {
        let headers: Vec<_> = (0..bytes.small() % 4)
            .map(|_| enclava_header { name: bytes.text(), value: bytes.text() })
            .collect();
        let mut secret = MaybeUninit::new(enclava_str { data: null(), len: 1 });
        let flags = u32::from(bytes.small() % 9);
        let _ = enclava_bearer(headers.as_ptr(), headers.len(), flags, Some(&mut secret), None);
        let models: Vec<_> = (0..bytes.small() % 4).map(|_| bytes.text()).collect();
        let mut allowed = vec![7; models.len()];
        let secret = enclava_str { data: enclava_secret_reveal(Some(&self.secret)), len: 35 };
        let _ = enclava_gate_allowed_models(
            Some(&self.gate),
            secret,
            models.as_ptr(),
            models.len(),
            allowed.as_mut_ptr(),
            None,
        );
        let hop = bytes.text();
        let _ = text(|b, c, l| enclava_client_ip(hop, &raw const hop, 1, &raw const hop, 1, b, c, l));
    }

    // No reservation passed the limit: what is held and used together does so only by what calls cost beyond estimates.
    fn balance(&self) {
        let mut balances = MaybeUninit::<enclava_balances>::zeroed();
        // SAFETY: it is made of integers, of which zero is one.
        let balances = unsafe { balances.assume_init_mut() };
        balances.size = 344;
        assert_eq!(enclava_gate_usage(Some(&self.gate), lent(&self.id), balances, None), enclava_status::Ok);
        let day = &balances.daily_spend;
        assert!(day.held.cost.usd <= 10 && day.remaining.cost.usd <= 10, "{day:?}");
    }
}

// Whatever it answers, the law is in what follows.
fn ignored(_: enclava_status) {}

fn place<T>() -> MaybeUninit<*mut T> {
    MaybeUninit::new(std::ptr::dangling_mut())
}

// The handle in its place: there after a success, NULL after a failure.
fn taken<T>(status: enclava_status, place: MaybeUninit<*mut T>) -> Option<Box<T>> {
    // SAFETY: it was written when it was made, and every function writes NULL or a handle of its own making there.
    let handle = unsafe { place.assume_init() };
    if handle == std::ptr::dangling_mut() {
        assert_ne!(status, enclava_status::Ok, "no handle was written");
        return None;
    }
    assert_eq!(handle.is_null(), status != enclava_status::Ok);
    // SAFETY: as above; it is given away once.
    (!handle.is_null()).then(|| unsafe { Box::from_raw(handle) })
}

fn lent(text: &str) -> enclava_str {
    enclava_str { data: text.as_ptr().cast(), len: text.len() }
}

fn text(
    write: impl Fn(*mut c_char, usize, Option<&mut MaybeUninit<usize>>) -> enclava_status,
) -> Option<String> {
    let mut len = MaybeUninit::new(0);
    if write(null_mut(), 0, Some(&mut len)) != enclava_status::BufferTooSmall {
        return None;
    }
    // SAFETY: it was written when it was made.
    let mut buffer = vec![0_u8; unsafe { len.assume_init() } + 1];
    assert_eq!(write(buffer.as_mut_ptr().cast(), buffer.len(), None), enclava_status::Ok);
    assert_eq!(buffer.pop(), Some(0));
    Some(String::from_utf8(buffer).expect("UTF-8"))
}
