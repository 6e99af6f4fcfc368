// SPDX-License-Identifier: Apache-2.0
// A parser of the XML that we write: elements, attributes in double quotes, the entities of
// escaped(), a doctype. Everything else is an error; nothing is forgiven as a browser would.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace hb::test {

struct XmlElement {
    std::string name, text;  // text: of this element alone, entities resolved
    std::map<std::string, std::string> attributes;
    std::vector<XmlElement> children;

    void collect(const std::string& wanted, std::vector<const XmlElement*>& found) const {
        if (name == wanted) found.push_back(this);
        for (const XmlElement& child : children) child.collect(wanted, found);
    }
    std::vector<const XmlElement*> all(const std::string& wanted) const {
        std::vector<const XmlElement*> found;
        collect(wanted, found);
        return found;
    }
    std::string all_text() const {
        std::string whole = text;
        for (const XmlElement& child : children) whole += child.all_text();
        return whole;
    }
};

class XmlParser {
public:
    explicit XmlParser(const std::string& source) : s_(source) {}

    // Throws std::runtime_error on the first thing that is wrong.
    XmlElement document() {
        if (s_.starts_with("<!DOCTYPE html>")) at_ = 15;
        space();
        XmlElement root = element();
        space();
        if (at_ != s_.size()) wrong("something after the root");
        return root;
    }

private:
    [[noreturn]] void wrong(const std::string& what) const {
        throw std::runtime_error(what + " at " + std::to_string(at_) + ": " + s_.substr(at_, 40));
    }
    char peek() const { return at_ < s_.size() ? s_[at_] : '\0'; }
    void expect(const std::string& text) {
        if (s_.compare(at_, text.size(), text) != 0) wrong("wanted " + text);
        at_ += text.size();
    }
    void space() {
        while (at_ < s_.size() && std::isspace(static_cast<unsigned char>(s_[at_]))) ++at_;
    }
    std::string name() {
        const std::size_t first = at_;
        while (std::isalnum(static_cast<unsigned char>(peek())) || peek() == '-') ++at_;
        if (first == at_) wrong("wanted a name");
        return s_.substr(first, at_ - first);
    }
    std::string until(char end, const char* forbidden) {
        std::string text;
        while (peek() != end) {
            if (at_ >= s_.size() || std::string(forbidden).find(peek()) != std::string::npos)
                wrong("not expected");
            text += peek() == '&' ? entity() : s_[at_++];
        }
        return text;
    }
    char entity() {
        for (const auto& [code, c] : {std::pair<std::string, char>{"&lt;", '<'},
                                      {"&gt;", '>'},
                                      {"&amp;", '&'},
                                      {"&quot;", '"'}})
            if (s_.compare(at_, code.size(), code) == 0) {
                at_ += code.size();
                return c;
            }
        wrong("unknown entity");
    }
    XmlElement element() {
        XmlElement e;
        expect("<");
        e.name = name();
        for (space(); peek() != '>' && peek() != '/'; space()) {
            const std::string key = name();
            expect("=\"");
            if (!e.attributes.emplace(key, until('"', "<")).second) wrong("twice: " + key);
            expect("\"");
        }
        if (peek() == '/') return expect("/>"), e;
        expect(">");
        while (true) {
            e.text += until('<', "");
            if (s_.compare(at_, 2, "</") == 0) break;
            e.children.push_back(element());
        }
        expect("</" + e.name + ">");
        return e;
    }

    const std::string& s_;
    std::size_t at_ = 0;
};

inline XmlElement parse_xml(const std::string& source) {
    return XmlParser(source).document();
}

}  // namespace hb::test
