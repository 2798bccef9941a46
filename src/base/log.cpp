#include "base/log.hpp"

#include <boost/json/serialize.hpp>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace domus::log {

namespace {

std::atomic<Level> current_level{Level::info};
std::atomic<bool> as_json{false};
std::atomic<std::shared_ptr<spdlog::async_logger>> logger; ///< lanes write too

constexpr std::size_t queue_length = 8192;

spdlog::level::level_enum translate(Level level) {
    switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    }
    return spdlog::level::info;
}

} // namespace

void start(const Settings& settings) {
    if (!spdlog::thread_pool()) spdlog::init_thread_pool(queue_length, 1);
    spdlog::sink_ptr sink;
    if (settings.file.empty()) sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.file);
    auto fresh = std::make_shared<spdlog::async_logger>("domus", std::move(sink), spdlog::thread_pool(),
                                                        spdlog::async_overflow_policy::overrun_oldest);
    fresh->set_level(spdlog::level::debug);
    fresh->flush_on(spdlog::level::info);
    fresh->set_pattern(settings.json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","text":%v})"
                                      : "%Y-%m-%d %H:%M:%S.%e %l: %v");
    logger.store(std::move(fresh));
    as_json = settings.json;
    set_level(settings.level);
}

void stop() {
    logger.store(nullptr);
    spdlog::shutdown();
}

void set_level(Level level) { current_level = level; }
Level level() { return current_level; }

void write(Level level, std::string_view text) {
    const auto target = logger.load();
    if (!target) return;
    if (as_json) target->log(translate(level), boost::json::serialize(boost::json::string(text)));
    else target->log(translate(level), text);
}

} // namespace domus::log
