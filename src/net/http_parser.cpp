#include "net/http_parser.h"

#include "base/text.h"
#include "net/chunked.h"

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

namespace shoal::net {

namespace http = boost::beast::http;
using boost::beast::string_view;
using boost::system::error_code;

namespace {

std::string_view std_view(string_view text) { return {text.data(), text.size()}; }

/// What the two Beast parsers report to.
struct Sink {
    ParserLimits limits;
    RequestHead request;
    ResponseHead response;
    std::optional<Error> error;
    int refusal = 400;
    std::size_t hosts = 0;
    bool head_done = false;

    void refuse(int status, std::string message, error_code& code) {
        refusal = status;
        error = Error{Errc::Invalid, std::move(message)};
        code = http::error::bad_value;
    }
};

bool has_control(std::string_view text) {
    return std::any_of(text.begin(), text.end(),
                       [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

template <bool IsRequest> class BeastParser final : public http::basic_parser<IsRequest> {
  public:
    explicit BeastParser(Sink& sink) : sink_(sink) {
        this->header_limit(static_cast<std::uint32_t>(sink.limits.header_bytes_max));
        this->body_limit(boost::none);
    }

  private:
    void on_request_impl(http::verb, string_view method, string_view target, int version,
                         error_code& code) override {
        if (target.size() > sink_.limits.target_bytes_max) {
            return sink_.refuse(414, "request target too long", code);
        }
        if (has_control(std_view(target))) {
            return sink_.refuse(400, "malformed request target", code);
        }
        sink_.request.method = method;
        sink_.request.target = target;
        sink_.request.version = version;
    }
    void on_response_impl(int status, string_view reason, int version, error_code&) override {
        sink_.response.status = status;
        sink_.response.reason = std::string(std_view(reason));
        sink_.response.version = version;
    }
    void on_field_impl(http::field name, string_view name_text, string_view value,
                       error_code& code) override {
        Headers& headers = IsRequest ? sink_.request.headers : sink_.response.headers;
        if (headers.size() >= sink_.limits.headers_max) {
            return sink_.refuse(431, "too many header fields", code);
        }
        // Any other coding would leave the end of the message in doubt.
        const bool other_coding = name == http::field::transfer_encoding &&
                                  !equals_ignore_case(trim(std_view(value)), "chunked");
        if (other_coding) { return sink_.refuse(501, "transfer encoding not supported", code); }
        if (name == http::field::host && ++sink_.hosts > 1) {
            return sink_.refuse(400, "more than one Host", code);
        }
        headers.add(std::string(std_view(name_text)), std::string(std_view(value)));
    }
    void on_header_impl(error_code& code) override {
        sink_.head_done = true;
        if constexpr (IsRequest) { finish_request(code); }
    }
    void finish_request(error_code& code) {
        RequestHead& request = sink_.request;
        if (request.version == 10 && request.headers.has("Transfer-Encoding")) {
            return sink_.refuse(400, "Transfer-Encoding in HTTP/1.0", code);
        }
        const auto [path, query] = cut(request.target, '?');
        request.path = path;
        auto parsed = parse_query(query);
        if (!parsed) { return sink_.refuse(400, parsed.error().message, code); }
        request.query = std::move(*parsed);
    }
    // Only heads are fed to Beast; its reading of chunks wants more of its caller than it says.
    void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
    std::size_t on_body_impl(string_view, error_code&) override { return 0; }
    void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, string_view, error_code&) override { return 0; }
    void on_finish_impl(error_code&) override {}

    Sink& sink_;
};

int status_of(error_code code) {
    if (code == http::error::header_limit || code == http::error::buffer_overflow) { return 431; }
    if (code == http::error::bad_version) { return 505; }
    return 400;
}

} // namespace

struct HttpParser::Impl {
    enum class Body { None, Length, Chunked, UntilEnd };

    Sink sink;
    Kind kind = Kind::Request;
    std::optional<BeastParser<true>> request;
    std::optional<BeastParser<false>> response;
    Body body = Body::None;
    std::uint64_t left = 0; ///< of a body with a length
    ChunkedDecoder chunks;
    bool done = false;
    bool failed = false;

    template <class F> decltype(auto) with(F use) {
        if (kind == Kind::Request) { return use(*request); }
        return use(*response);
    }
    Error fail(Error error) {
        failed = true;
        return error;
    }

    Result<Step> feed_head(std::string_view input) {
        error_code code;
        const boost::asio::const_buffer buffer(input.data(), input.size());
        const auto used = with([&](auto& parser) { return parser.put(buffer, code); });
        if (code && code != http::error::need_more) {
            if (sink.error) { return fail(*sink.error); }
            sink.refusal = status_of(code);
            return fail(Error{Errc::Invalid, "malformed HTTP message: " + code.message()});
        }
        if (sink.head_done) {
            with([this](auto& parser) { choose_body(parser); });
        }
        return Step{used, 0};
    }

    template <class P> void choose_body(P& parser) {
        const auto length = parser.content_length();
        if (parser.is_done()) {
            done = true;
        } else if (parser.chunked()) {
            body = Body::Chunked;
            chunks = {};
        } else if (length) {
            body = Body::Length;
            left = *length;
        } else {
            body = Body::UntilEnd;
        }
    }

    Result<Step> feed_chunks(std::string_view input, std::span<char> into) {
        auto step = chunks.feed(input, into);
        if (!step) { return fail(std::move(step).error()); }
        done = chunks.done();
        return Step{step->used, step->body};
    }

    Result<Step> feed_plain(std::string_view input, std::span<char> into) {
        auto count = std::min(input.size(), into.size());
        if (body == Body::Length) {
            count = static_cast<std::size_t>(std::min<std::uint64_t>(count, left));
        }
        if (count > 0) { std::memmove(into.data(), input.data(), count); }
        if (body == Body::Length) {
            left -= count;
            done = left == 0;
        }
        return Step{count, count};
    }
};

HttpParser::HttpParser(Kind kind, ParserLimits limits) : impl_(std::make_unique<Impl>()) {
    impl_->sink.limits = limits;
    reset(kind);
}

HttpParser::~HttpParser() = default;

void HttpParser::reset(Kind kind) {
    Sink& sink = impl_->sink;
    sink.request = {};
    sink.response = {};
    sink.error.reset();
    sink.hosts = 0;
    sink.head_done = false;
    impl_->kind = kind;
    impl_->body = Impl::Body::None;
    impl_->done = impl_->failed = false;
    if (kind == Kind::Request) {
        impl_->request.emplace(sink);
    } else {
        impl_->response.emplace(sink);
        impl_->response->skip(kind == Kind::ResponseToHead);
    }
}

Result<HttpParser::Step> HttpParser::feed(std::string_view input, std::span<char> into) {
    if (impl_->failed) { return invalid("malformed HTTP message"); }
    if (done() || input.empty()) { return Step{}; }
    if (!head_done()) { return impl_->feed_head(input); }
    return impl_->body == Impl::Body::Chunked ? impl_->feed_chunks(input, into)
                                              : impl_->feed_plain(input, into);
}

Result<void> HttpParser::feed_end() {
    if (head_done() && impl_->body == Impl::Body::UntilEnd) { impl_->done = true; }
    if (done()) { return ok(); }
    return Error{Errc::Cancelled, "the connection was closed in the middle of a message"};
}

bool HttpParser::head_done() const { return impl_->sink.head_done; }
bool HttpParser::done() const { return impl_->done; }
int HttpParser::refusal() const { return impl_->sink.refusal; }
bool HttpParser::keep_alive() const {
    return head_done() && impl_->with([](auto& parser) { return parser.keep_alive(); });
}
bool HttpParser::chunked() const {
    return head_done() && impl_->with([](auto& parser) { return parser.chunked(); });
}
bool HttpParser::wants_continue() const {
    const RequestHead& request = impl_->sink.request;
    return request.version >= 11 && request.headers.has_token("Expect", "100-continue");
}
std::optional<std::uint64_t> HttpParser::length() const {
    if (chunked() || impl_->body == Impl::Body::UntilEnd) { return std::nullopt; }
    if (!head_done()) { return std::uint64_t{0}; }
    const auto length = impl_->with([](auto& parser) { return parser.content_length(); });
    return length ? *length : std::uint64_t{0};
}
RequestHead& HttpParser::request() { return impl_->sink.request; }
ResponseHead& HttpParser::response() { return impl_->sink.response; }

} // namespace shoal::net
