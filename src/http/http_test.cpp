// Requests over a socket, and what the OpenAPI document says of them.
#include "http/openapi.hpp"
#include "http/problem.hpp"
#include "http/server.hpp"

#include "async/spawn.hpp"
#include "async/test_wait.hpp"
#include "os/sockets.hpp"
#include "os/test_folder.hpp"
#include "service/registry.hpp"
#include "service/test_host.hpp"

#include <boost/json.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <set>

namespace domus::http {

namespace {

namespace json = boost::json;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A client's end. What has to wait turns the loop.
class Client {
public:
    Client(Loop& loop, const std::string& path) : loop_(loop), socket_(connect_to(path)) {}

    void send(std::string_view bytes) {
        turn_until(loop_, [&] {
            const auto n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (n > 0) bytes.remove_prefix(static_cast<std::size_t>(n));
            return bytes.empty() || (n < 0 && errno != EAGAIN);
        });
    }
    /// What has come until it contains `wanted`, or the end.
    std::string receive(std::string_view wanted) {
        turn_until(loop_, [&] { return read_some(), input_.find(wanted) != std::string::npos || ended_; });
        return std::exchange(input_, {});
    }
    bool ended() {
        turn_until(loop_, [&] { return read_some(), ended_; });
        return ended_;
    }
    /// The head and the body of one response.
    std::string ask(std::string_view request) {
        send(request);
        return receive_response();
    }
    std::string receive_response() {
        std::size_t size = std::string::npos;
        turn_until(loop_, [&] {
            read_some();
            const auto end = input_.find("\r\n\r\n");
            if (end != std::string::npos) size = end + 4 + length();
            return ended_ || input_.size() >= size;
        });
        auto response = input_.substr(0, size);
        input_.erase(0, response.size());
        return response;
    }

private:
    std::size_t length() const {
        constexpr std::string_view name = "Content-Length: ";
        const auto at = input_.find(name);
        return at == std::string::npos ? 0 : std::stoul(input_.substr(at + name.size()));
    }
    void read_some() {
        char piece[4096];
        const auto n = ::recv(socket_.get(), piece, sizeof piece, 0);
        if (n > 0) input_.append(piece, static_cast<std::size_t>(n));
        if (n == 0 || (n < 0 && errno != EAGAIN)) ended_ = true;
    }
    Loop& loop_;
    UniqueFd socket_;
    std::string input_;
    bool ended_ = false;
};

struct HttpTest : FolderTest {
    ~HttpTest() override {
        if (!server) return;
        bool ended = false;
        spawn(loop.get_executor(), stop(ended), "the end");
        EXPECT_TRUE(turn_until(loop, [&] { return ended; }));
    }
    Task<> stop(bool& ended) {
        co_await server->stop(timeout);
        ended = true;
    }
    void serve(Limits limits, bool read_only = false) {
        server.emplace(loop.get_executor(), host.service, limits, [this] { return ++connections; });
        server->listen(listen_unix(folder / "sock", 0600), read_only);
    }
    /// To the server, which is made for the first.
    Client connect() {
        if (!server) serve({.request = {.header = 2048, .body = 4096}});
        return {loop, folder / "sock"};
    }

    Loop loop{1};
    service::EmptyHost host{loop.get_executor()};
    std::uint64_t connections = 0;
    std::optional<Server> server;
};

constexpr std::string_view list = "GET /api/v1/domains HTTP/1.1\r\nHost: d\r\n\r\n";

} // namespace

TEST_F(HttpTest, requests_follow_one_another_on_a_connection) {
    auto client = connect();
    for (int i = 0; i < 3; ++i) EXPECT_THAT(client.ask(list), StartsWith("HTTP/1.1 200 OK\r\n"));
    client.send(std::string(list) + std::string(list)); // before the first is answered
    EXPECT_THAT(client.receive_response(), HasSubstr("{\"items\":[]}"));
    EXPECT_THAT(client.receive_response(), HasSubstr("{\"items\":[]}"));
    EXPECT_EQ(connections, 1u);
    EXPECT_THAT(client.ask("GET /api/v1/domains HTTP/1.1\r\nConnection: close\r\n\r\n"),
                HasSubstr("Connection: close"));
    EXPECT_TRUE(client.ended());
}

TEST_F(HttpTest, a_request_may_come_byte_by_byte) {
    auto client = connect();
    for (const char c : list) client.send({&c, 1});
    EXPECT_THAT(client.receive_response(), StartsWith("HTTP/1.1 200"));
}

TEST_F(HttpTest, head_is_get_without_the_body) {
    auto client = connect();
    client.send("HEAD /api/v1/domains HTTP/1.1\r\n\r\n");
    const auto head = client.receive("\r\n\r\n");
    EXPECT_THAT(head, HasSubstr("Content-Length: 12\r\n"));
    EXPECT_TRUE(head.ends_with("\r\n\r\n"));
}

TEST_F(HttpTest, who_asks_first_may_send_a_body) {
    auto client = connect();
    client.send("POST /api/v1/domains HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(client.receive("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    EXPECT_THAT(client.ask("{}"), HasSubstr("argument 'definition' is missing"));
}

TEST_F(HttpTest, what_is_too_long_or_no_http_is_refused) {
    const auto refused = [&](const std::string& request) {
        auto client = connect();
        auto response = client.ask(request);
        EXPECT_TRUE(client.ended());
        return response;
    };
    EXPECT_THAT(refused("GET /api/v1/domains HTTP/1.1\r\nX: " + std::string(3000, 'x') + "\r\n\r\n"),
                HasSubstr(" 431 "));
    EXPECT_THAT(refused("POST /api/v1/domains HTTP/1.1\r\nContent-Length: 5000\r\n\r\n"), HasSubstr(" 413 "));
    EXPECT_THAT(refused("nonsense\r\n\r\n"), HasSubstr(" 400 "));
    EXPECT_THAT(refused("POST /api/v1/domains HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n{\r\n"),
                HasSubstr(" 411 "));
    auto client = connect();
    EXPECT_THAT(client.ask("GET http://x HTTP/1.1\r\n\r\n"), HasSubstr(" 400 "));
    EXPECT_THAT(client.ask("GET /elsewhere HTTP/1.1\r\n\r\n"), HasSubstr(" 404 "));
}

TEST_F(HttpTest, what_is_not_there_is_named) {
    auto client = connect();
    EXPECT_THAT(client.ask("GET /api/v1/nothing HTTP/1.1\r\n\r\n"), HasSubstr(" 404 "));
    const auto other = client.ask("PATCH /api/v1/domains HTTP/1.1\r\n\r\n");
    EXPECT_THAT(other, HasSubstr(" 405 "));
    EXPECT_THAT(other, HasSubstr("Allow: GET, POST\r\n"));
    const auto none = client.ask("GET /api/v1/domains/web HTTP/1.1\r\n\r\n");
    EXPECT_THAT(none, HasSubstr(" 404 "));
    EXPECT_THAT(none, HasSubstr("\"type\":\"urn:domus:error:no-domain\""));
    EXPECT_THAT(none, HasSubstr("\"code\":42"));
}

TEST_F(HttpTest, arguments_are_read_by_their_types_and_unknown_ones_refused) {
    auto client = connect();
    const auto post = [&](std::string_view path, const std::string& body) {
        return client.ask(
            fmt::format("POST /api/v1{} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
                        path, body.size(), body));
    };
    EXPECT_THAT(client.ask("GET /api/v1/domains?flags=active,odd HTTP/1.1\r\n\r\n"),
                HasSubstr("'flags' does not know 'odd'"));
    EXPECT_THAT(client.ask("GET /api/v1/domains?id=x HTTP/1.1\r\n\r\n"), HasSubstr("'id' must be a number"));
    EXPECT_THAT(client.ask("GET /api/v1/domains?id=1&id=2 HTTP/1.1\r\n\r\n"), HasSubstr("stands twice"));
    EXPECT_THAT(client.ask("GET /api/v1/domains?odd=1 HTTP/1.1\r\n\r\n"), HasSubstr("'odd' is unknown to domain.list"));
    EXPECT_THAT(post("/domains", "{"), HasSubstr("the body is no JSON"));
    EXPECT_THAT(post("/domains", "[]"), HasSubstr("must be a JSON object"));
    EXPECT_THAT(post("/domains", "{\"xml\": 1}"), HasSubstr("'xml' must be a string"));
    EXPECT_THAT(post("/domains", "{\"definition\": {\"nmae\": \"x\"}}"), HasSubstr("nmae is unknown"));
    EXPECT_THAT(post("/domains", "{\"xml\": \"\", \"definition\": {}}"), HasSubstr("give one of them"));
    EXPECT_THAT(post("/domains", "{\"xml\": \"\", \"more\": 1}"), HasSubstr("'more' is unknown to domain.define"));
    EXPECT_THAT(post("/domains", std::string(40, '[')), HasSubstr("the body is no JSON")) << "nested too deeply";
}

TEST_F(HttpTest, users_have_a_number_of_connections) {
    serve({.clients_per_user = 2}, true);
    auto first = connect(), second = connect(), third = connect();
    EXPECT_THAT(first.ask(list), StartsWith("HTTP/1.1 200"));
    EXPECT_THAT(second.ask(list), StartsWith("HTTP/1.1 200"));
    EXPECT_TRUE(third.ended());
}

TEST_F(HttpTest, a_client_that_sends_no_request_is_let_go_of) {
    serve({.request_timeout = std::chrono::seconds(1), .idle_timeout = std::chrono::seconds(1)});
    auto silent = connect(), slow = connect();
    slow.send("GET /api/v1/dom");
    EXPECT_TRUE(silent.ended());
    EXPECT_TRUE(slow.ended());
}

TEST(OpenApi, names_each_row_that_is_no_stream) {
    std::set<std::string> listed;
    const auto document = openapi();
    for (const auto& operation : document.at("x-operations").as_array())
        listed.insert(std::string(operation.at("name").as_string()));
    for (const auto* row : service::operations()) {
        const bool served = row->family != service::Family::connection && row->effect != service::Effect::stream;
        EXPECT_EQ(listed.contains(std::string(row->name)), served) << row->name;
    }
}

namespace {

void collect_references(const json::value& value, std::set<std::string>& found) {
    if (const auto* object = value.if_object()) {
        for (const auto& [key, below] : *object) {
            if (key == "$ref") found.insert(std::string(below.as_string()));
            collect_references(below, found);
        }
    } else if (const auto* array = value.if_array()) {
        for (const auto& below : *array) collect_references(below, found);
    }
}

} // namespace

TEST(OpenApi, refers_to_schemas_that_are_there) {
    const auto document = openapi();
    const auto& schemas = document.at("components").at("schemas").as_object();
    std::set<std::string> references;
    collect_references(document, references);
    EXPECT_GT(references.size(), 100u);
    for (const auto& each : references) {
        const auto* schema = schemas.if_contains(each.substr(each.rfind('/') + 1));
        ASSERT_TRUE(schema) << each;
        EXPECT_FALSE(schema->as_object().empty()) << each;
    }
}

TEST(Problem, codes_have_a_status_of_their_kind) {
    EXPECT_EQ(status_of(ErrorCode::no_domain), 404u);
    EXPECT_EQ(status_of(ErrorCode::operation_denied), 403u);
    EXPECT_EQ(status_of(ErrorCode::operation_invalid), 409u);
    EXPECT_EQ(status_of(ErrorCode::internal_error), 500u);
    const auto response =
        problem(Error(ErrorCode::no_domain, ErrorDomain::qemu, "none").because("why").hint("do this"));
    const auto body = json::parse(response.body);
    EXPECT_EQ(body.at("detail"), "none");
    EXPECT_EQ(body.at("causes"), json::array{"why"});
    EXPECT_EQ(body.at("hint"), "do this");
}

} // namespace domus::http
