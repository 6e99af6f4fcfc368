// SPDX-License-Identifier: Apache-2.0
// Files: read whole, map read-only, or write so that a reader sees the old file or the new one,
// never half of one (temporary name, fsync, rename, fsync of the folder).
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace hb {

std::string read_file(const std::filesystem::path& path);
void write_file(const std::filesystem::path& path, std::string_view content);  // atomic
void sync_folder(const std::filesystem::path& folder);

// Writes a large file piece by piece under `path`.partial; commit() makes it durable and gives it
// its name. Destroyed without commit(), it leaves nothing behind.
class FileWriter {
public:
    explicit FileWriter(std::filesystem::path path);
    ~FileWriter();
    FileWriter(const FileWriter&) = delete;
    FileWriter& operator=(const FileWriter&) = delete;
    void write(std::span<const std::byte> bytes);
    void commit();

private:
    std::filesystem::path path_, partial_;
    int descriptor_ = -1;
};

class MappedFile {
public:
    MappedFile() = default;
    explicit MappedFile(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&& other) noexcept;
    std::span<const std::byte> bytes() const { return {data_, size_}; }
    // Tells the kernel that a part already read need not stay in memory.
    void drop(std::size_t offset, std::size_t size) const;

private:
    const std::byte* data_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace hb
