/*
 * enclava.hpp - enclava.h for C++17 and later: handles that free themselves, texts as std::string, and failures that cannot
 * be overlooked. Header-only; everything is inline and costs what the C call costs.
 *
 * A call that may fail returns a Result, which is [[nodiscard]]: ask it, then take the value or the error.
 *
 *   auto permit = gate.authorize(request);
 *   if (!permit) return send(permit.error());            // a Denial: status(), headers(), body()
 *   permit->dispatched();
 *
 * With ENCLAVA_EXCEPTIONS defined before this header, the same calls return the value itself and throw enclava::Denied or
 * enclava::Failed. Source files of either kind may be linked together; what they hand each other is of different types.
 *
 * Threads, blocking and fork are as in enclava.h: a const member function may be called from any threads at once. An object
 * that was moved from may be assigned to and destroyed; its calls answer ENCLAVA_STATUS_NULL_ARGUMENT.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */

#ifndef ENCLAVA_HPP
#define ENCLAVA_HPP

#include <enclava.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace enclava {

/* The same names do different things by either macro. They are told apart for the linker, which would otherwise take one of
   them for both. */
#ifdef ENCLAVA_EXCEPTIONS
inline namespace throwing {
#else
inline namespace returning {
#endif

using Status = enclava_status;
using Money = enclava_money;
using Usage = enclava_usage;
using Time = enclava_time;

namespace detail {

template <class T, void (*Free)(T *)>
struct Freed {
  void operator()(T *handle) const noexcept { Free(handle); }
};

template <class T, void (*Free)(T *)>
using Handle = std::unique_ptr<T, Freed<T, Free>>;

inline enclava_str lent(std::string_view text) noexcept {
  enclava_str lent;
  lent.data = text.data();
  lent.len = text.size();
  return lent;
}

/* The text that `write` copies into a buffer. Empty if it cannot be had, as from an object that was moved from. */
template <class Write>
std::string text(Write write) {
  char small[256];
  std::size_t len = 0;
  Status status = write(small, sizeof small, &len);
  if (status == ENCLAVA_STATUS_OK) return std::string(small, len);
  std::string large;
  while (status == ENCLAVA_STATUS_BUFFER_TOO_SMALL) {
    large.resize(len + 1);
    status = write(&large[0], large.size(), &len);
  }
  large.resize(status == ENCLAVA_STATUS_OK ? len : 0);
  return large;
}

}  // namespace detail

/** Success without a value. */
struct Done {};

/** An answer that is ready to send. */
class Denial {
 public:
  Denial(Status status, enclava_denial *denial) noexcept : status_(status), denial_(denial) {}
  /** The one that is in an error, which it keeps. */
  Denial(Status status, std::shared_ptr<const enclava_error> error) noexcept : status_(status), error_(std::move(error)) {}

  /** ENCLAVA_STATUS_DENIED, or what the gateway did wrong. */
  Status failure() const noexcept { return status_; }
  enclava_reason reason() const noexcept { return enclava_denial_reason(get()); }
  /** The HTTP status. */
  int status() const noexcept { return enclava_denial_status(get()); }
  bool is_transient() const noexcept { return enclava_denial_is_transient(get()) != 0; }
  std::chrono::seconds retry_after() const noexcept {
    return std::chrono::seconds(static_cast<std::int64_t>(enclava_denial_retry_after(get())));
  }
  Time resets_at() const noexcept { return enclava_denial_resets_at(get()); }

  std::string body(enclava_dialect dialect = ENCLAVA_DIALECT_OPENAI) const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_denial_body(get(), dialect, b, c, l); });
  }
  std::string sse_event(enclava_dialect dialect = ENCLAVA_DIALECT_OPENAI) const {
    return detail::text(
        [&](char *b, std::size_t c, std::size_t *l) { return enclava_denial_sse_event(get(), dialect, b, c, l); });
  }
  std::string message() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_denial_message(get(), b, c, l); });
  }
  std::string cause() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_denial_cause(get(), b, c, l); });
  }
  /** Names and values. */
  std::vector<std::pair<std::string, std::string>> headers() const {
    std::string lines =
        detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_denial_headers(get(), b, c, l); });
    std::vector<std::pair<std::string, std::string>> headers;
    for (std::size_t start = 0; start < lines.size();) {
      std::size_t colon = lines.find(": ", start), end = lines.find("\r\n", start);
      headers.emplace_back(lines.substr(start, colon - start), lines.substr(colon + 2, end - colon - 2));
      start = end + 2;
    }
    return headers;
  }
  const enclava_denial *get() const noexcept { return denial_ ? denial_.get() : enclava_error_denial(error_.get()); }

 private:
  Status status_;
  detail::Handle<enclava_denial, enclava_denial_free> denial_;
  std::shared_ptr<const enclava_error> error_;
};

/** Why a call failed that does not decide. */
class Error {
 public:
  Error(Status status, enclava_error *error) : status_(status), error_(error, enclava_error_free) {}

  Status status() const noexcept { return status_; }
  std::string message() const {
    if (!error_) return enclava_status_text(status_);
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_error_message(get(), b, c, l); });
  }
  std::string field() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_error_field(get(), b, c, l); });
  }
  /** All faults of a record, as a JSON array. */
  std::string faults() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_error_faults(get(), b, c, l); });
  }
  /** The answer to send where the status is ENCLAVA_STATUS_DENIED. */
  std::optional<Denial> denial() const {
    if (enclava_error_denial(get()) == nullptr) return std::nullopt;
    return Denial(status_, error_);
  }
  /** What a call that was settled before came to then. */
  std::optional<Usage> first() const noexcept {
    const enclava_settlement *first = enclava_error_settlement(get());
    if (first == nullptr) return std::nullopt;
    return enclava_settlement_usage(first);
  }
  const enclava_error *get() const noexcept { return error_.get(); }

 private:
  Status status_;
  std::shared_ptr<enclava_error> error_;
};

/** A value or why there is none. Taking the one that is not there is a mistake, and throws std::bad_variant_access. */
template <class T, class E = Error>
class [[nodiscard]] Result {
 public:
  Result(T &&value) : either_(std::in_place_index<0>, std::move(value)) {}
  Result(E &&error) : either_(std::in_place_index<1>, std::move(error)) {}

  explicit operator bool() const noexcept { return either_.index() == 0; }
  T &value() & { return std::get<0>(either_); }
  const T &value() const & { return std::get<0>(either_); }
  T &&value() && { return std::get<0>(std::move(either_)); }
  T &operator*() & { return value(); }
  const T &operator*() const & { return value(); }
  T &&operator*() && { return std::move(*this).value(); }
  T *operator->() { return &value(); }
  const T *operator->() const { return &value(); }
  E &error() & { return std::get<1>(either_); }
  const E &error() const & { return std::get<1>(either_); }
  E &&error() && { return std::get<1>(std::move(either_)); }

 private:
  std::variant<T, E> either_;
};

#ifdef ENCLAVA_EXCEPTIONS

/** Thrown where a request is denied. */
class Denied : public std::runtime_error {
 public:
  explicit Denied(Denial &&denial)
      : std::runtime_error(denial.message()), denial_(std::make_shared<Denial>(std::move(denial))) {}
  const Denial &denial() const noexcept { return *denial_; }

 private:
  std::shared_ptr<Denial> denial_;
};

/** Thrown where a call fails. */
class Failed : public std::runtime_error {
 public:
  explicit Failed(Error &&error)
      : std::runtime_error(error.message()), error_(std::make_shared<Error>(std::move(error))) {}
  const Error &error() const noexcept { return *error_; }

 private:
  std::shared_ptr<Error> error_;
};

template <class T, class E = Error>
using Outcome = T;

namespace detail {
[[noreturn]] inline void fail(Denial &&denial) { throw Denied(std::move(denial)); }
[[noreturn]] inline void fail(Error &&error) {
  if (std::optional<Denial> denial = error.denial()) fail(std::move(*denial));
  throw Failed(std::move(error));
}
}  // namespace detail

#define ENCLAVA_FAIL_(failure) ::enclava::detail::fail(failure)

#else

template <class T, class E = Error>
using Outcome = Result<T, E>;

#define ENCLAVA_FAIL_(failure) return failure

#endif

/** Reads decimal text such as "0.05". */
inline Outcome<Money> money(std::string_view text) {
  Money money;
  Status status = enclava_money_parse(detail::lent(text), &money);
  if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, nullptr));
  return money;
}

/** Writes an amount as decimal text. */
inline std::string to_string(Money money) {
  return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_money_format(money, b, c, l); });
}

/** A record as it stood when it was read. */
class Key {
 public:
  explicit Key(enclava_key *key) noexcept : key_(key) {}

  std::string id() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_key_id(get(), b, c, l); });
  }
  std::string name() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_key_name(get(), b, c, l); });
  }
  std::string json() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_key_json(get(), b, c, l); });
  }
  std::uint64_t revision() const noexcept { return enclava_key_revision(get()); }
  const enclava_key *get() const noexcept { return key_.get(); }

 private:
  detail::Handle<enclava_key, enclava_key_free> key_;
};

/** The text of a new key, wiped when this goes. */
class Secret {
 public:
  explicit Secret(enclava_secret *secret) noexcept : secret_(secret) {}
  /** The text: show it once. It lives as long as this. */
  std::string_view reveal() const noexcept {
    const char *text = enclava_secret_reveal(secret_.get());
    return text == nullptr ? std::string_view() : std::string_view(text);
  }

 private:
  detail::Handle<enclava_secret, enclava_secret_free> secret_;
};

/** A key and its secret, which is shown this once. */
struct NewKey {
  Key key;
  Secret secret;
};

/** "This meter crossed its threshold in this window". Told at least once, with the same id each time. */
struct Alert {
  std::string id;
  std::string key_id;
  std::string key_name;
  enclava_alert_info info;

  explicit Alert(const enclava_alert *alert) : info(enclava_alert_info_init()) {
    id = detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_alert_id(alert, b, c, l); });
    key_id = detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_alert_key_id(alert, b, c, l); });
    key_name = detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_alert_key_name(alert, b, c, l); });
    enclava_alert_read(alert, &info);
  }
};

/** Takes an alert, and returns whether it was told. */
using AlertCallback = std::function<bool(const Alert &)>;

namespace detail {
/* No exception leaves a callback of C: one is a "no". */
inline bool is_told(const AlertCallback &callback, const enclava_alert *alert) {
#ifdef __cpp_exceptions
  try {
    return callback(Alert(alert));
  } catch (...) {
    return false;
  }
#else
  return callback(Alert(alert));
#endif
}
}  // namespace detail

/** What the calls of one key for one model came to on one day. */
struct Tally {
  /** Empty for what was charged without naming one. */
  std::string model;
  enclava_tally info;

  Tally(const enclava_history *history, std::size_t index) : info(enclava_tally_init()) {
    model = detail::text(
        [&](char *b, std::size_t c, std::size_t *l) { return enclava_history_model(history, index, b, c, l); });
    static_cast<void>(enclava_history_read(history, index, &info));
  }
};

/** What a process has taken of a key's budgets to hand out by itself. */
struct Lease {
  /** By which it is settled if that process is dead. */
  std::string permit_id;
  enclava_lease info;

  Lease(const enclava_leases *leases, std::size_t index) : info(enclava_lease_init()) {
    permit_id = detail::text(
        [&](char *b, std::size_t c, std::size_t *l) { return enclava_leases_permit_id(leases, index, b, c, l); });
    static_cast<void>(enclava_leases_read(leases, index, &info));
  }
};

/** What a settled call came to. */
class Settlement {
 public:
  explicit Settlement(enclava_settlement *settlement) noexcept : settlement_(settlement) {}

  Usage usage() const noexcept { return enclava_settlement_usage(settlement_.get()); }
  Usage overrun() const noexcept { return enclava_settlement_overrun(settlement_.get()); }
  bool is_late() const noexcept { return enclava_settlement_is_late(settlement_.get()) != 0; }
  std::vector<Alert> alerts() const {
    std::vector<Alert> alerts;
    while (const enclava_alert *alert = enclava_settlement_alert(settlement_.get(), alerts.size())) alerts.emplace_back(alert);
    return alerts;
  }

 private:
  detail::Handle<enclava_settlement, enclava_settlement_free> settlement_;
};

/** The dry run: true in a condition if the request would be admitted. */
class Decision {
 public:
  explicit Decision(enclava_decision *decision) noexcept : decision_(decision) {}

  explicit operator bool() const noexcept { return enclava_decision_verdict(decision_.get()) == ENCLAVA_VERDICT_ADMIT; }
  enclava_reason reason() const noexcept { return enclava_denial_reason(enclava_decision_denial(decision_.get())); }
  std::string explain() const {
    return detail::text(
        [&](char *b, std::size_t c, std::size_t *l) { return enclava_decision_explain(decision_.get(), b, c, l); });
  }

 private:
  detail::Handle<enclava_decision, enclava_decision_free> decision_;
};

/** One call to be authorized. A view that was never assigned is not stated. */
struct Request {
  std::string_view secret;
  std::string_view model;
  std::string_view purpose;
  std::string_view endpoint;
  std::string_view ip;
  std::string_view request_id;
  Usage estimate = {{0, 0}, 0};
  std::chrono::milliseconds wait{0};

  enclava_request lent() const noexcept {
    enclava_request request = enclava_request_init();
    request.secret = detail::lent(secret);
    request.model = detail::lent(model);
    request.purpose = detail::lent(purpose);
    request.endpoint = detail::lent(endpoint);
    request.ip = detail::lent(ip);
    request.request_id = detail::lent(request_id);
    request.estimate = estimate;
    request.wait_milliseconds = wait.count() > 0 ? static_cast<std::uint64_t>(wait.count()) : 0;
    return request;
  }
};

/** The right to make one call. One that goes before it was settled or released follows the rules of enclava_permit. */
class [[nodiscard]] Permit {
 public:
  explicit Permit(enclava_permit *permit) noexcept : permit_(permit) {}

  std::string id() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_permit_id(permit_.get(), b, c, l); });
  }
  /** The model to dispatch. */
  std::string model() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_permit_model(permit_.get(), b, c, l); });
  }
  enclava_permit_info info() const noexcept {
    enclava_permit_info info = enclava_permit_info_init();
    enclava_permit_read(permit_.get(), &info);
    return info;
  }
  /** The body to dispatch instead of the client's. */
  Outcome<std::string> body(std::string_view body, std::uint32_t flags = 0) const {
    Status status = ENCLAVA_STATUS_OK;
    std::string text = detail::text([&](char *b, std::size_t c, std::size_t *l) {
      return status = enclava_permit_body(permit_.get(), detail::lent(body), flags, b, c, l);
    });
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, nullptr));
    return text;
  }

  Status dispatched() noexcept { return enclava_permit_dispatched(permit_.get()); }
  Status progress(Usage usage) noexcept { return enclava_permit_progress(permit_.get(), usage); }
  Status feed(std::string_view chunk) noexcept { return enclava_permit_feed(permit_.get(), detail::lent(chunk)); }
  Status detach() noexcept { return enclava_permit_detach(permit_.get()); }

  /** Sets more aside. Where it does not fit, the error has a denial. */
  Outcome<Done> extend(Usage more) {
    enclava_error *error;
    Status status = enclava_permit_extend(permit_.get(), more, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return Done{};
  }
  Outcome<Settlement> settle(Usage usage) {
    return ended([&](enclava_settlement **s, enclava_error **e) { return enclava_permit_settle(permit_.get(), usage, s, e); });
  }
  Outcome<Settlement> settle_response(std::string_view body) {
    return ended([&](enclava_settlement **s, enclava_error **e) {
      return enclava_permit_settle_response(permit_.get(), detail::lent(body), s, e);
    });
  }
  Outcome<Settlement> finish() {
    return ended([&](enclava_settlement **s, enclava_error **e) { return enclava_permit_finish(permit_.get(), s, e); });
  }
  Outcome<Done> release() {
    enclava_error *error;
    Status status = enclava_permit_release(permit_.get(), &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return Done{};
  }
  enclava_permit *get() noexcept { return permit_.get(); }

 private:
  template <class End>
  Outcome<Settlement> ended(End end) {
    enclava_settlement *settlement;
    enclava_error *error;
    Status status = end(&settlement, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return Settlement(settlement);
  }

  detail::Handle<enclava_permit, enclava_permit_free> permit_;
};

/** What models cost. */
class Prices {
 public:
  static Outcome<Prices> parse(std::string_view text, enclava_price_format format) {
    enclava_prices *prices;
    enclava_error *error;
    Status status = enclava_prices_parse(detail::lent(text), format, &prices, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return Prices(prices);
  }
  /** Adds the prices of `later`, which win. */
  Status extend(const Prices &later) noexcept { return enclava_prices_extend(prices_.get(), later.get()); }
  const enclava_prices *get() const noexcept { return prices_.get(); }

 private:
  explicit Prices(enclava_prices *prices) noexcept : prices_(prices) {}
  detail::Handle<enclava_prices, enclava_prices_free> prices_;
};

/** The one object that a gateway holds. */
class Gate {
 public:
  /** `options`, from enclava_options_init(), may be NULL. */
  static Outcome<Gate> open(std::string_view url, const enclava_options *options = nullptr) {
    enclava_gate *gate;
    enclava_error *error;
    Status status = enclava_gate_open(detail::lent(url), options, &gate, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return Gate(gate);
  }
  Gate(Gate &&) noexcept = default;
  /* The old gate goes before what it calls back. */
  Gate &operator=(Gate &&other) noexcept {
    gate_ = std::move(other.gate_);
    callbacks_ = std::move(other.callbacks_);
    return *this;
  }

  Outcome<Permit, Denial> authorize(const Request &request) const {
    enclava_request asked = request.lent();
    enclava_permit *permit;
    enclava_denial *denial;
    Status status = enclava_gate_authorize(get(), &asked, &permit, &denial);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Denial(status, denial));
    return Permit(permit);
  }
  Outcome<Permit, Denial> authorize_request(const Request &request, std::string_view body, std::uint64_t floor = 0) const {
    enclava_request asked = request.lent();
    enclava_permit *permit;
    enclava_denial *denial;
    Status status = enclava_gate_authorize_request(get(), &asked, detail::lent(body), floor, &permit, &denial);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Denial(status, denial));
    return Permit(permit);
  }
  Outcome<Key, Denial> verify(std::string_view secret) const {
    enclava_key *key;
    enclava_denial *denial;
    Status status = enclava_gate_verify(get(), detail::lent(secret), &key, &denial);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Denial(status, denial));
    return Key(key);
  }
  /** Those of `models` that the key may use, in their order. */
  Outcome<std::vector<std::string>, Denial> allowed_models(std::string_view secret, const std::vector<std::string> &models) const {
    std::vector<enclava_str> asked;
    for (const std::string &model : models) asked.push_back(detail::lent(model));
    std::vector<std::uint8_t> allowed(models.size());
    enclava_denial *denial;
    Status status =
        enclava_gate_allowed_models(get(), detail::lent(secret), asked.data(), asked.size(), allowed.data(), &denial);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Denial(status, denial));
    std::vector<std::string> found;
    for (std::size_t place = 0; place < models.size(); place++) {
      if (allowed[place]) found.push_back(models[place]);
    }
    return found;
  }
  Outcome<Decision> check(const Request &request) const {
    enclava_request asked = request.lent();
    enclava_decision *decision;
    enclava_error *error;
    Status status = enclava_gate_check(get(), &asked, &decision, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return Decision(decision);
  }

  Outcome<NewKey> create_key(std::string_view spec) const {
    return made([&](enclava_key **k, enclava_secret **s, enclava_error **e) {
      return enclava_key_create(get(), detail::lent(spec), k, s, e);
    });
  }
  Outcome<NewKey> rotate_key(std::string_view id, std::chrono::seconds overlap) const {
    auto seconds = overlap.count() > 0 ? static_cast<std::uint64_t>(overlap.count()) : 0;
    return made([&](enclava_key **k, enclava_secret **s, enclava_error **e) {
      return enclava_key_rotate(get(), detail::lent(id), seconds, k, s, e);
    });
  }
  Outcome<Key> import_key(std::string_view spec) const { return record(spec, enclava_key_import); }
  Outcome<Key> key(std::string_view id) const { return record(id, enclava_key_get); }
  Outcome<Key> disable_key(std::string_view id) const { return record(id, enclava_key_disable); }
  Outcome<Key> enable_key(std::string_view id) const { return record(id, enclava_key_enable); }
  Outcome<Key> revoke_key(std::string_view id) const { return record(id, enclava_key_revoke); }
  Outcome<Key> update_key(std::string_view id, std::string_view changes, std::uint64_t revision = 0, std::uint32_t flags = 0) const {
    return record(id, [&](const enclava_gate *gate, enclava_str id, enclava_key **key, enclava_error **error) {
      return enclava_key_update(gate, id, detail::lent(changes), revision, flags, key, error);
    });
  }
  Outcome<Done> delete_key(std::string_view id) const {
    return done([&](enclava_error **error) { return enclava_key_delete(get(), detail::lent(id), error); });
  }
  /** The ids of at most `limit` keys after the one with the id `after`. */
  Outcome<std::vector<std::string>> keys(std::string_view after = {}, std::size_t limit = SIZE_MAX) const {
    enclava_key_page *page;
    enclava_error *error;
    Status status = enclava_key_list(get(), detail::lent(after), limit, &page, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    detail::Handle<enclava_key_page, enclava_key_page_free> owned(page);
    std::vector<std::string> ids;
    while (const enclava_key *key = enclava_key_page_at(page, ids.size())) {
      ids.push_back(detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_key_id(key, b, c, l); }));
    }
    return ids;
  }

  Outcome<enclava_balances> usage(std::string_view key_id) const {
    enclava_balances balances = enclava_balances_init();
    enclava_error *error;
    Status status = enclava_gate_usage(get(), detail::lent(key_id), &balances, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return balances;
  }
  /** What a key used on each of the last `days` days on which it used anything, by model, the last day first. */
  Outcome<std::vector<Tally>> history(std::string_view key_id, std::size_t days) const {
    enclava_history *history;
    enclava_error *error;
    Status status = enclava_gate_history(get(), detail::lent(key_id), days, &history, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    detail::Handle<enclava_history, enclava_history_free> owned(history);
    std::vector<Tally> tallies;
    while (tallies.size() < enclava_history_count(history)) tallies.emplace_back(history, tallies.size());
    return tallies;
  }
  /** The leases that are open on the budgets of a key, of whichever process. */
  Outcome<std::vector<Lease>> leases(std::string_view key_id) const {
    enclava_leases *leases;
    enclava_error *error;
    Status status = enclava_gate_leases(get(), detail::lent(key_id), &leases, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    detail::Handle<enclava_leases, enclava_leases_free> owned(leases);
    std::vector<Lease> told;
    while (told.size() < enclava_leases_count(leases)) told.emplace_back(leases, told.size());
    return told;
  }
  Outcome<Settlement> settle(std::string_view permit_id, Usage usage) const {
    return charged([&](enclava_settlement **s, enclava_error **e) {
      return enclava_gate_settle(get(), detail::lent(permit_id), usage, s, e);
    });
  }
  Outcome<Settlement> record(std::string_view key_id, Usage usage, std::string_view request_id = {}) const {
    return charged([&](enclava_settlement **s, enclava_error **e) {
      return enclava_gate_record(get(), detail::lent(key_id), usage, detail::lent(request_id), s, e);
    });
  }
  Outcome<Done> release(std::string_view permit_id) const {
    return done([&](enclava_error **error) { return enclava_gate_release(get(), detail::lent(permit_id), error); });
  }

  Outcome<Done> refresh() const {
    return done([&](enclava_error **error) { return enclava_gate_refresh(get(), error); });
  }
  Outcome<Done> flush() const {
    return done([&](enclava_error **error) { return enclava_gate_flush(get(), error); });
  }
  Status set_prices(const Prices &prices) const noexcept { return enclava_gate_set_prices(get(), prices.get()); }
  std::string stats() const {
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_gate_stats(get(), b, c, l); });
  }
  /** Calls `callback` with every alert until the gate is gone, on a thread of the library's own. It returns whether the alert
      was told: one that was not, or from which it threw, comes again as in enclava_gate_on_alert(). It must not end the gate.
      One caller at a time. */
  Status on_alert(AlertCallback callback) {
    if (!gate_ || !callback) return ENCLAVA_STATUS_NULL_ARGUMENT;
    /* Kept until the gate is gone: an earlier one may be under way. */
    callbacks_->push_back(std::move(callback));
    return enclava_gate_on_alert(
        get(),
        [](const enclava_alert *alert, void *callback) -> std::int32_t {
          return detail::is_told(*static_cast<AlertCallback *>(callback), alert) ? 0 : 1;
        },
        &callbacks_->back());
  }
  /** The oldest alert that nobody took yet. */
  std::optional<Alert> take_alert() const {
    enclava_alert *alert;
    if (enclava_gate_take_alert(get(), &alert) != ENCLAVA_STATUS_OK) return std::nullopt;
    detail::Handle<enclava_alert, enclava_alert_free> owned(alert);
    return Alert(alert);
  }
  /** The oldest event that nobody took yet, as a JSON object. */
  std::optional<std::string> take_event() const {
    enclava_event *event;
    if (enclava_gate_take_event(get(), &event) != ENCLAVA_STATUS_OK) return std::nullopt;
    detail::Handle<enclava_event, enclava_event_free> owned(event);
    return detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_event_json(event, b, c, l); });
  }
  const enclava_gate *get() const noexcept { return gate_.get(); }

 private:
  explicit Gate(enclava_gate *gate) : callbacks_(std::make_unique<std::list<AlertCallback>>()), gate_(gate) {}

  template <class Make>
  Outcome<NewKey> made(Make make) const {
    enclava_key *key;
    enclava_secret *secret;
    enclava_error *error;
    Status status = make(&key, &secret, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return NewKey{Key(key), Secret(secret)};
  }
  template <class Call>
  Outcome<Key> record(std::string_view text, Call call) const {
    enclava_key *key;
    enclava_error *error;
    Status status = call(get(), detail::lent(text), &key, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return Key(key);
  }
  template <class Charge>
  Outcome<Settlement> charged(Charge charge) const {
    enclava_settlement *settlement;
    enclava_error *error;
    Status status = charge(&settlement, &error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return Settlement(settlement);
  }
  template <class Call>
  Outcome<Done> done(Call call) const {
    enclava_error *error;
    Status status = call(&error);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
    return Done{};
  }

  std::unique_ptr<std::list<AlertCallback>> callbacks_;
  detail::Handle<enclava_gate, enclava_gate_free> gate_;
};

/** Calls that may block, off the event loop: `work` runs on a thread of the library's, `then` where run() is called. */
class Queue {
 public:
  /** So many threads, and at most `capacity` calls that wait, are under way or were not told yet. */
  static Outcome<Queue> open(std::uint32_t threads, std::size_t capacity) {
    enclava_queue *queue;
    Status status = enclava_queue_open(threads, capacity, &queue);
    if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, nullptr));
    return Queue(queue);
  }
  Queue(Queue &&) noexcept = default;
  /* The old queue goes as in the destructor, before what tells its calls so. */
  Queue &operator=(Queue &&other) noexcept {
    if (this == &other) return *this;
    if (closing_) *closing_ = true;
    queue_ = std::move(other.queue_);
    closing_ = std::move(other.closing_);
    return *this;
  }
  /** Waits until all that was submitted was done. A `then` that was not called by now is never called: what it was to be
      told goes, and a permit with it. */
  ~Queue() {
    if (closing_) *closing_ = true;
  }

  /** Has `then(work())` done; `then()` where `work` returns nothing. Neither may throw, and neither is called unless the
      status is ENCLAVA_STATUS_OK. Callable from any threads at once. */
  template <class Work, class Then>
  Status submit(Work work, Then then) const {
    using Job = Submitted<Work, Then>;
    auto job = std::unique_ptr<Job>(new Job{closing_.get(), std::move(work), std::move(then), {}});
    Status status = enclava_queue_submit(queue_.get(), Job::run, Job::done, job.get());
    /* Then it is the queue's, which may have done with it already. */
    if (status == ENCLAVA_STATUS_OK) static_cast<void>(job.release());
    return status;
  }
  /** Readable while there is something for run() to do. */
  int descriptor() const noexcept { return enclava_queue_descriptor(queue_.get()); }
  /** Calls `then` of all that was done by now, and says how many there were. */
  std::size_t run() const {
    std::size_t count = 0;
    enclava_queue_run(queue_.get(), &count);
    return count;
  }

 private:
  template <class Work, class Then>
  struct Submitted {
    using Made = std::invoke_result_t<Work &>;
    static constexpr bool is_told = !std::is_void_v<Made>;

    const bool *closing;
    Work work;
    Then then;
    std::optional<std::conditional_t<is_told, Made, Done>> made;

    static void run(void *job) {
      auto *self = static_cast<Submitted *>(job);
      if constexpr (is_told) {
        self->made.emplace(self->work());
      } else {
        self->work();
      }
    }
    static void done(enclava_answer *, void *job) {
      std::unique_ptr<Submitted> self(static_cast<Submitted *>(job));
      if (*self->closing) return;
      if constexpr (is_told) {
        self->then(std::move(*self->made));
      } else {
        self->then();
      }
    }
  };
  explicit Queue(enclava_queue *queue) : closing_(std::make_unique<bool>(false)), queue_(queue) {}

  /* Freed after the queue, which waits for those that run. */
  std::unique_ptr<bool> closing_;
  detail::Handle<enclava_queue, enclava_queue_free> queue_;
};

/** Copies a SQLite database while it is in use: "sqlite:////var/lib/enclava.db", to a new file. Blocks. */
inline Outcome<Done> backup(std::string_view url, std::string_view to) {
  enclava_error *error;
  Status status = enclava_database_backup(detail::lent(url), detail::lent(to), &error);
  if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
  return Done{};
}

/** How a SQLite database is. */
struct Health {
  /** What is wrong, at most a hundred things: none is well. */
  std::size_t faults;
  /** All of it as a JSON object. */
  std::string json;
};

/** Counts everything in a SQLite database again, while it is in use. Blocks. */
inline Outcome<Health> doctor(std::string_view url) {
  enclava_health *health;
  enclava_error *error;
  Status status = enclava_database_doctor(detail::lent(url), &health, &error);
  if (status != ENCLAVA_STATUS_OK) ENCLAVA_FAIL_(Error(status, error));
  detail::Handle<enclava_health, enclava_health_free> owned(health);
  return Health{
      enclava_health_fault_count(health),
      detail::text([&](char *b, std::size_t c, std::size_t *l) { return enclava_health_json(health, b, c, l); })};
}

}  // inline namespace
}  // namespace enclava

#undef ENCLAVA_FAIL_

#endif /* ENCLAVA_HPP */
