#include "bench/items.h"

namespace coffer::bench {

Budget Bench::budget(double seconds, int at_least) const {
  constexpr double kQuickShare = 5;
  constexpr std::chrono::seconds kQuickEnds(
      22);  // of 45: from here on, one sample of each, however busy the machine is
  if (!quick_) return {std::chrono::duration<double>(seconds), at_least};
  if (Clock::now() - start_ > kQuickEnds) return {std::chrono::duration<double>(0.2), 1};
  return {std::chrono::duration<double>(seconds / kQuickShare), at_least};
}

bool Bench::late() const {
  constexpr std::chrono::seconds kLate(8);
  return quick_ && Clock::now() - start_ > kLate;
}

Result<Worker*> Bench::inside() {
  if (!inside_) {
    auto image = make_image(workshop_, {.name = "computing", .heap = std::uint64_t{480} << 20});
    if (!image) return std::unexpected(image.error());
    auto loaded = load(image->path);
    if (!loaded) return std::unexpected(loaded.error());
    auto worker = Worker::inside(std::move(*loaded), workshop_.folder());
    if (!worker) return std::unexpected(worker.error());
    inside_ = std::move(*worker);
  }
  return inside_.get();
}

Result<Worker*> Bench::outside() {
  if (!outside_) {
    auto worker = Worker::outside();
    if (!worker) return std::unexpected(worker.error());
    outside_ = std::move(*worker);
  }
  return outside_.get();
}

Result<MadeImage> Bench::small_image(bool debug) {
  std::optional<MadeImage>& image = debug ? small_debug_ : small_;
  if (!image) {
    auto made = make_image(workshop_, {.name = debug ? "small-debug" : "small", .debug = debug});
    if (!made) return made;
    image = *made;
  }
  return *image;
}

Result<RoundTrips*> Bench::round_trips(Waiting waiting) {
  std::unique_ptr<RoundTrips>& trips = waiting == Waiting::kFutex ? futex_ : spin_;
  if (!trips) {
    auto started = RoundTrips::start(waiting);
    if (!started) return std::unexpected(started.error());
    trips = std::move(*started);
  }
  return trips.get();
}

void Bench::end_programs() {
  inside_.reset();
  outside_.reset();
}

}  // namespace coffer::bench
