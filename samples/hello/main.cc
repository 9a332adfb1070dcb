// An ordinary program: it remembers, in one file, everybody whom it has greeted. Inside an enclave with /data as an
// encrypted mount, nobody else can read that list.
#include <fstream>
#include <iostream>
#include <set>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: hello FILE NAME\n";
    return 2;
  }
  std::set<std::string> greeted;
  std::ifstream known(argv[1]);
  for (std::string name; std::getline(known, name);) greeted.insert(name);

  if (greeted.contains(argv[2])) {
    std::cout << "Hello again, " << argv[2] << ".\n";
    return 0;
  }
  std::ofstream file(argv[1], std::ios::app);
  file << argv[2] << '\n';
  file.close();
  if (!file) {
    std::cerr << "hello: " << argv[1] << ": cannot be written\n";
    return 2;
  }
  std::cout << "Hello, " << argv[2] << ". You are number " << greeted.size() + 1 << ".\n";
}
