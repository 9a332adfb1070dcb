// The deleter of a std::unique_ptr whose object a function takes back, as in C libraries:
//   using Key = std::unique_ptr<EVP_PKEY, FreedBy<EVP_PKEY_free>>;
#pragma once

namespace coffer {

template <auto Function>
struct FreedBy {
  template <class T>
  void operator()(T* object) const {
    Function(object);
  }
};

}  // namespace coffer
