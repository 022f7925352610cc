// simdjson's DOM behind four C functions, for bench/json.c. The parser is kept and its input is padded
// beforehand, as simdjson's manual asks for.
#include <simdjson.h>

#include <string>

namespace
{
struct peer {
    peer(const char *bytes, size_t len) : text(bytes, len) {}
    simdjson::padded_string text;
    simdjson::dom::parser parser;
};
} // namespace

extern "C" {
void *peer_simdjson_new(const char *text, size_t len);
bool peer_simdjson_parse(void *self);
void peer_simdjson_free(void *self);
const char *peer_simdjson_name(void);
}

void *peer_simdjson_new(const char *text, size_t len)
{
    return new peer(text, len);
}

bool peer_simdjson_parse(void *self)
{
    auto *p = static_cast<peer *>(self);
    simdjson::dom::element root;
    return p->parser.parse(p->text).get(root) == simdjson::SUCCESS;
}

void peer_simdjson_free(void *self) { delete static_cast<peer *>(self); }

const char *peer_simdjson_name(void)
{
    static const std::string name =
        "simdjson " + std::to_string(simdjson::SIMDJSON_VERSION_MAJOR) + "." +
        std::to_string(simdjson::SIMDJSON_VERSION_MINOR) + "." +
        std::to_string(simdjson::SIMDJSON_VERSION_REVISION) + " " +
        simdjson::get_active_implementation()->name();
    return name.c_str();
}
