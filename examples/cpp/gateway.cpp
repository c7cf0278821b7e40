/* needs: -lcpp-httplib -lpthread */
// A gateway in front of a model, whole: keys admitted and refused, answers streamed or not, and every call settled by what it
// came to. The model here is a stand-in that repeats its prompt; a real gateway sends `dispatched` on instead.
//
//   c++ -std=c++17 gateway.cpp $(pkg-config --cflags --libs enclava) -lcpp-httplib -lpthread -o gateway && ./gateway
//
// Debian: apt-get install libcpp-httplib-dev. With cpp-httplib's single header of one's own, leave -lcpp-httplib out.

#include <httplib.h>

#include <enclava.hpp>
#include <iostream>
#include <memory>

namespace {

constexpr const char *kPrices = R"(
[models.gpt-4]
input = "0.03"
output = "0.06"
per = "1k"
max_input = 8192
max_output = 8192
)";

const std::vector<std::string> kModels = {"gpt-4", "gpt-4-32k"};

// What the stand-in says, in as many pieces as it would stream.
const std::vector<std::string> kWords = {"It", " works", "."};
constexpr const char *kUsage = R"({"prompt_tokens":8,"completion_tokens":3,"total_tokens":11})";

std::string chunk(const std::string &choices, const std::string &usage) {
  return R"(data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":0,"model":"gpt-4","choices":[)" + choices +
         R"(],"usage":)" + usage + "}\n\n";
}

std::vector<std::string> streamed() {
  std::vector<std::string> pieces;
  for (const std::string &word : kWords) {
    pieces.push_back(chunk(R"({"index":0,"delta":{"content":")" + word + R"("},"finish_reason":null})", "null"));
  }
  pieces.push_back(chunk(R"({"index":0,"delta":{},"finish_reason":"stop"})", "null"));
  pieces.push_back(chunk("", kUsage));
  pieces.push_back("data: [DONE]\n\n");
  return pieces;
}

std::string whole() {
  std::string text;
  for (const std::string &word : kWords) text += word;
  return R"({"id":"chatcmpl-1","object":"chat.completion","created":0,"model":"gpt-4","choices":[{"index":0,"message":)"
         R"({"role":"assistant","content":")" +
         text + R"("},"finish_reason":"stop"}],"usage":)" + kUsage + "}";
}

// A denial is a finished answer.
void send(const enclava::Denial &denial, httplib::Response &response) {
  response.status = denial.status();
  std::string type = "application/json";
  for (const auto &[name, value] : denial.headers()) {
    if (name == "content-type") {
      type = value;
    } else {
      response.set_header(name, value);
    }
  }
  response.set_content(denial.body(), type);
  if (!denial.cause().empty()) std::cerr << "our own mistake: " << denial.cause() << '\n';
}

// The key among the headers; empty if there is none, which the gate denies.
std::string bearer(const httplib::Request &request) {
  std::vector<enclava_header> headers;
  for (const auto &[name, value] : request.headers) headers.push_back({{name.data(), name.size()}, {value.data(), value.size()}});
  enclava_str secret;
  if (enclava_bearer(headers.data(), headers.size(), 0, &secret, nullptr) != ENCLAVA_STATUS_OK) return "";
  return std::string(secret.data, secret.len);
}

void complete(const enclava::Gate &gate, const httplib::Request &request, httplib::Response &response) {
  const std::string secret = bearer(request);
  enclava::Request asked;
  asked.secret = secret;
  asked.endpoint = "/v1/chat/completions";
  asked.ip = request.remote_addr;
  auto admitted = gate.authorize_request(asked, request.body);
  if (!admitted) {
    if (admitted.error().failure() != ENCLAVA_STATUS_INVALID_VALUE) return send(admitted.error(), response);
    response.status = 400;
    return response.set_content(R"({"error":{"message":"the body is no request","type":"invalid_request_error"}})",
                                "application/json");
  }
  auto permit = std::make_shared<enclava::Permit>(std::move(admitted).value());

  // What goes to the model: the client's own body, with the model that was checked, and its usage asked for.
  auto dispatched = permit->body(request.body, ENCLAVA_BODY_INCLUDE_USAGE);
  if (!dispatched || permit->dispatched() != ENCLAVA_STATUS_OK) {
    response.status = 500;
    return;
  }
  if (!permit->info().is_streamed) {
    const std::string answer = whole();
    if (auto settled = permit->settle_response(answer); !settled) std::cerr << settled.error().message() << '\n';
    return response.set_content(answer, "application/json");
  }
  // A client that goes away drops the permit: it is charged what was seen.
  response.set_chunked_content_provider("text/event-stream", [permit](std::size_t, httplib::DataSink &sink) {
    for (const std::string &piece : streamed()) {
      permit->feed(piece);
      if (!sink.write(piece.data(), piece.size())) return false;
    }
    if (auto settled = permit->finish(); !settled) std::cerr << settled.error().message() << '\n';
    sink.done();
    return true;
  });
}

void list_models(const enclava::Gate &gate, const httplib::Request &request, httplib::Response &response) {
  auto models = gate.allowed_models(bearer(request), kModels);
  if (!models) return send(models.error(), response);
  std::string data;
  for (const std::string &model : *models) {
    data += (data.empty() ? "" : ",") + (R"({"id":")" + model + R"(","object":"model","created":0,"owned_by":"enclava"})");
  }
  response.set_content(R"({"object":"list","data":[)" + data + "]}", "application/json");
}

int fail(const enclava::Error &error) {
  std::cerr << error.message() << '\n';
  return 1;
}

}  // namespace

int main() {
  auto prices = enclava::Prices::parse(kPrices, ENCLAVA_PRICE_FORMAT_TOML);
  if (!prices) return fail(prices.error());
  enclava_options options = enclava_options_init();
  options.prices = prices->get();
  auto opened = enclava::Gate::open("memory:", &options);
  if (!opened) return fail(opened.error());
  const enclava::Gate gate = std::move(opened).value();

  // One key to try it with, and one whose budget is spent.
  auto made = gate.create_key(R"({"name": "Chatbot", "allowed_models": ["gpt-4"], "daily_spend_limit": "25.00"})");
  auto spent = gate.create_key(R"({"name": "Spent", "daily_spend_limit": "0.000001"})");
  if (!made) return fail(made.error());
  if (!spent) return fail(spent.error());
  std::cout << "key " << made->secret.reveal() << "\nspent " << spent->secret.reveal() << std::endl;

  httplib::Server server;
  server.Post("/v1/chat/completions", [&](const httplib::Request &request, httplib::Response &response) {
    complete(gate, request, response);
  });
  server.Get("/v1/models", [&](const httplib::Request &request, httplib::Response &response) {
    list_models(gate, request, response);
  });
  server.Get("/spent", [&](const httplib::Request &, httplib::Response &response) {
    auto usage = gate.usage(made->key.id());
    if (usage) response.set_content(enclava::to_string(usage->daily_spend.used.cost), "text/plain");
  });
  const int port = server.bind_to_any_port("127.0.0.1");
  std::cout << "http://127.0.0.1:" << port << "/v1" << std::endl;
  return server.listen_after_bind() ? 0 : 1;
}
