#include "base/log.hpp"

#include <boost/json/serialize.hpp>
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>

namespace domus::log {

namespace {

std::atomic<Level> current_level{Level::info};
std::atomic<bool> as_json{false};
std::shared_ptr<spdlog::async_logger> logger;        ///< made once: lanes write too
std::shared_ptr<spdlog::sinks::dist_sink_mt> target; ///< where it writes, which changes

constexpr std::size_t queue_length = 1024; // of 400 bytes each, which are there from the beginning

spdlog::level::level_enum translate(Level level) {
    switch (level) {
    case Level::debug:
        return spdlog::level::debug;
    case Level::info:
        return spdlog::level::info;
    case Level::warning:
        return spdlog::level::warn;
    case Level::error:
        return spdlog::level::err;
    }
    return spdlog::level::info;
}

} // namespace

void start(const Settings& settings) {
    spdlog::sink_ptr sink;
    if (settings.file.empty())
        sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    else
        sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(settings.file);
    sink->set_pattern(settings.json ? R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l","text":%v})"
                                    : "%Y-%m-%d %H:%M:%S.%e %l: %v");
    if (!logger) {
        spdlog::init_thread_pool(queue_length, 1);
        target = std::make_shared<spdlog::sinks::dist_sink_mt>();
        logger = std::make_shared<spdlog::async_logger>("domus", target, spdlog::thread_pool(),
                                                        spdlog::async_overflow_policy::overrun_oldest);
        logger->set_level(spdlog::level::debug);
        logger->flush_on(spdlog::level::info);
    }
    target->set_sinks({std::move(sink)});
    as_json = settings.json;
    set_level(settings.level);
}

void stop() {
    spdlog::shutdown(); // ends the writer, which holds the logger too
    logger.reset();
    target.reset();
}

void set_level(Level level) { current_level = level; }
Level level() { return current_level; }

void write(Level level, std::string_view text) {
    if (!logger) return;
    if (as_json)
        logger->log(translate(level), boost::json::serialize(boost::json::string(text)));
    else
        logger->log(translate(level), text);
}

} // namespace domus::log
