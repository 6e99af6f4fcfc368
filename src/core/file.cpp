// SPDX-License-Identifier: Apache-2.0
#include "core/file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.hpp"

namespace hb {
namespace {

[[noreturn]] void fail_errno(const char* verb, const std::filesystem::path& path) {
    const int code = errno;
    fail("cannot {} {}: {}{}", verb, path.string(), std::strerror(code),
         code == ENOSPC ? ". Free some disk space and run the command again" : "");
}

int open_to_read(const std::filesystem::path& path, std::size_t& size) {
    const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) fail_errno("open", path);
    struct stat info {};
    if (::fstat(descriptor, &info) != 0 || !S_ISREG(info.st_mode)) {
        ::close(descriptor);
        fail("{} is not a regular file", path.string());
    }
    size = static_cast<std::size_t>(info.st_size);
    return descriptor;
}

}  // namespace

std::string read_file(const std::filesystem::path& path) {
    std::size_t size = 0;
    const int descriptor = open_to_read(path, size);
    std::string content(size, '\0');
    std::size_t done = 0;
    while (done < size) {
        const auto got = ::read(descriptor, content.data() + done, size - done);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        done += static_cast<std::size_t>(got);
    }
    ::close(descriptor);
    if (done != size) fail("cannot read {}: got {} of {} bytes", path.string(), done, size);
    return content;
}

void write_file(const std::filesystem::path& path, std::string_view content) {
    FileWriter writer(path);
    writer.write(std::as_bytes(std::span(content.data(), content.size())));
    writer.commit();
}

void sync_folder(const std::filesystem::path& folder) {
    const int descriptor =
        ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return;
    ::fsync(descriptor);
    ::close(descriptor);
}

FileWriter::FileWriter(std::filesystem::path path) : path_(std::move(path)), partial_(path_) {
    partial_ += ".partial";
    descriptor_ = ::open(partial_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor_ < 0) fail_errno("create", partial_);
}

FileWriter::~FileWriter() {
    if (descriptor_ < 0) return;
    ::close(descriptor_);
    ::unlink(partial_.c_str());
}

void FileWriter::write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
        const auto put = ::write(descriptor_, bytes.data(), bytes.size());
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) fail_errno("write", path_);
        bytes = bytes.subspan(static_cast<std::size_t>(put));
    }
}

void FileWriter::commit() {
    if (::fsync(descriptor_) != 0) fail_errno("write", path_);
    ::close(descriptor_);
    descriptor_ = -1;
    if (::rename(partial_.c_str(), path_.c_str()) != 0) {
        ::unlink(partial_.c_str());
        fail_errno("rename to", path_);
    }
    sync_folder(path_.parent_path());
}

MappedFile::MappedFile(const std::filesystem::path& path) {
    const int descriptor = open_to_read(path, size_);
    if (size_ > 0) {
        void* data = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (data == MAP_FAILED) {
            ::close(descriptor);
            fail_errno("map", path);
        }
        data_ = static_cast<const std::byte*>(data);
    }
    ::close(descriptor);
}

MappedFile::~MappedFile() {
    if (data_) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
}

void MappedFile::drop(std::size_t offset, std::size_t size) const {
    const std::size_t page = 4096, first = (offset + page - 1) / page * page;
    const std::size_t last = (offset + size) / page * page;
    if (data_ && last > first)
        ::madvise(const_cast<std::byte*>(data_) + first, last - first, MADV_DONTNEED);
}

}  // namespace hb
