#!/usr/bin/env python3
"""A Hugging Face hub for tests, on this machine alone: hub_server.py FOLDER [OPTION...]

Serves FOLDER/ORG/NAME as repositories (FOLDER/ORG/NAME@REVISION for other revisions than main). Small files come from
the hub's own port with git's hash as their ETag; large ones (by their suffix) are redirected to another port, as the
hub does to its delivery network, with their SHA-256 in X-Linked-Etag. Prints its address, then serves until its
standard input ends. The options make it behave badly, as networks do. Every request goes to FOLDER/requests.log.
"""
import argparse
import hashlib
import json
import os
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LARGE = (".gguf", ".safetensors", ".bin", ".model")


def arguments():
    p = argparse.ArgumentParser()
    p.add_argument("folder")
    p.add_argument("--token", help="what private and gated repositories want to see")
    p.add_argument("--private", action="append", default=[], metavar="ORG/NAME")
    p.add_argument("--gated", action="append", default=[], metavar="ORG/NAME")
    p.add_argument("--renamed", action="append", default=[], metavar="OLD=NEW")
    p.add_argument("--busy", type=int, default=0, metavar="TIMES", help="so many requests are answered with 429")
    p.add_argument("--retry-after", default="1", help="... that ask to wait for so many seconds")
    p.add_argument("--broken", type=int, default=0, metavar="TIMES", help="so many requests are answered with 503")
    p.add_argument("--drop", type=int, default=0, metavar="BYTES", help="large files' connections end after so many")
    p.add_argument("--drops", type=int, default=10 ** 9, metavar="TIMES", help="... but not oftener than that")
    p.add_argument("--corrupt", type=int, default=0, metavar="TIMES", help="so many large answers have a wrong byte")
    p.add_argument("--slow", type=int, default=0, metavar="BYTES", help="large files come with so many a second")
    p.add_argument("--stall", type=int, default=0, metavar="TIMES", help="so many large answers stop halfway")
    p.add_argument("--no-ranges", action="store_true", help="always send whole files")
    p.add_argument("--no-blobs", action="store_true", help="list names alone, without sizes and hashes")
    p.add_argument("--listing", help="answer to every listing, a file")
    p.add_argument("--quantized", action="append", default=[], metavar="ORG/NAME=ORG/GGUF",
                   help="the second is a repository of GGUF models made of the first")
    return p.parse_args()


options = arguments()
lock = threading.Lock()
hashes = {}


def count_down(name):
    """True as often as the option of that name says."""
    with lock:
        left = getattr(options, name)
        setattr(options, name, max(0, left - 1))
        return left > 0


def digests(path):
    """git's hash and SHA-256 of a file."""
    key = (path, os.path.getmtime(path))
    if key not in hashes:
        data = open(path, "rb").read()
        hashes[key] = (hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(), hashlib.sha256(data).hexdigest())
    return hashes[key]


def repository_files(folder):
    for place, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(place, name)
            yield os.path.relpath(path, folder), path


def commit_of(folder):
    text = "".join("%s %s\n" % (name, digests(path)[0]) for name, path in sorted(repository_files(folder)))
    return hashlib.sha1(text.encode()).hexdigest()


def revision_folder(repository, revision):
    """The folder of a branch, tag or commit; None where there is none."""
    base = os.path.join(options.folder, repository)
    if revision == "main":
        return base
    if os.path.isdir(base + "@" + revision.replace("/", "_")):
        return base + "@" + revision.replace("/", "_")
    parent = os.path.dirname(base)
    for name in os.listdir(parent):
        if name.split("@")[0] == os.path.basename(base) and commit_of(os.path.join(parent, name)) == revision:
            return os.path.join(parent, name)
    return None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def note(self):
        with lock, open(os.path.join(options.folder, "requests.log"), "a") as log:
            print(self.server.role, self.command, urllib.parse.unquote(self.path), self.headers.get("Range", "-"),
                  self.headers.get("Authorization", "-"), file=log)

    def answer(self, status, headers=(), body=b""):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, str(value))
        if not any(name == "Content-Length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def refuse(self, status, code=None):
        self.answer(status, [("X-Error-Code", code)] if code else [], b'{"error": "no"}')

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        self.note()
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).strip("/")  # a proxy gets whole addresses
        try:
            if self.server.role == "cdn":
                self.send_file(os.path.join(options.folder, path), [])
            elif count_down("busy"):
                self.answer(429, [("Retry-After", options.retry_after)])
            elif count_down("broken"):
                self.refuse(503)
            else:
                self.answer_hub(path)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    # ------------------------------------------------------------------ the hub

    def answer_hub(self, path):
        parts = path.split("/")
        if path == "api/models":
            return self.answer_search(urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query))
        if parts[:2] == ["api", "models"]:
            repository, rest = "/".join(parts[2:4]), parts[4:]
        else:
            repository, rest = "/".join(parts[:2]), parts[2:]
        for pair in options.renamed:
            old, new = pair.split("=")
            if repository == old:
                return self.answer(307, [("Location", "/" + path.replace(old, new))])
        if not self.may_read(repository):
            return None
        if parts[0] == "api":
            return self.answer_listing(repository, urllib.parse.unquote("/".join(rest[1:])) or "main")
        return self.answer_file(repository, rest)

    def answer_search(self, query):
        pairs = [pair.split("=") for pair in options.quantized]
        found = [{"id": made, "downloads": 1000 * (i + 1)} for i, (base, made) in enumerate(pairs)
                 if {"gguf", "base_model:quantized:" + base} <= set(query.get("filter", []))]
        return self.answer(200, [("Content-Type", "application/json")],
                           json.dumps(found[::-1][:int(query["limit"][0])]).encode())

    def may_read(self, repository):
        allowed = options.token and self.headers.get("Authorization") == "Bearer " + options.token
        if not os.path.isdir(os.path.join(options.folder, repository)) or (repository in options.private and not allowed):
            self.refuse(404 if allowed else 401, "RepoNotFound")
        elif repository in options.gated and not allowed:
            self.refuse(403 if self.headers.get("Authorization") else 401, "GatedRepo")
        else:
            return True
        return False

    def answer_listing(self, repository, revision):
        folder = revision_folder(repository, revision)
        if options.listing:
            return self.answer(200, [("Content-Type", "application/json")], open(options.listing, "rb").read())
        if not folder:
            return self.refuse(404, "RevisionNotFound")
        siblings = []
        for name, path in sorted(repository_files(folder)):
            item = {"rfilename": name}
            if not options.no_blobs:
                git, sha256 = digests(path)
                item.update(size=os.path.getsize(path), blobId=git)
                if name.endswith(LARGE):
                    item["lfs"] = {"sha256": sha256, "size": os.path.getsize(path), "pointerSize": 134}
            siblings.append(item)
        body = json.dumps({"id": repository, "sha": commit_of(folder), "siblings": siblings}).encode()
        return self.answer(200, [("Content-Type", "application/json")], body)

    def answer_file(self, repository, rest):
        # "resolve/REVISION/PATH"; a revision with slashes came escaped, so its end is found by trying.
        for n in range(2, len(rest)):
            folder = revision_folder(repository, "/".join(rest[1:n]))
            if folder:
                break
        else:
            return self.refuse(404, "RevisionNotFound")
        name, commit = "/".join(rest[n:]), commit_of(folder)
        path = os.path.join(folder, name)
        if not os.path.isfile(path):
            return self.answer(404, [("X-Error-Code", "EntryNotFound"), ("X-Repo-Commit", commit)])
        git, sha256 = digests(path)
        if not name.endswith(LARGE):
            return self.send_file(path, [("X-Repo-Commit", commit), ("ETag", '"%s"' % git)])
        place = "http://127.0.0.1:%d/%s" % (self.server.cdn_port, urllib.parse.quote(os.path.relpath(path, options.folder)))
        return self.answer(302, [("Location", place), ("X-Repo-Commit", commit), ("X-Linked-Etag", '"%s"' % sha256),
                                 ("X-Linked-Size", os.path.getsize(path))])

    # ------------------------------------------------------------------- bytes

    def send_file(self, path, headers):
        data = open(path, "rb").read()
        size, wanted = len(data), self.headers.get("Range")
        status = 200
        if wanted and not options.no_ranges:
            first, last = wanted.split("=")[1].split("-")
            last = min(int(last) if last else size - 1, size - 1)
            data, status = data[int(first):last + 1], 206
            headers = headers + [("Content-Range", "bytes %s-%d/%d" % (first, last, size))]
        self.send_response(status)
        for name, value in headers + [("Accept-Ranges", "bytes"), ("Content-Length", len(data))]:
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.send_body(data)

    def send_body(self, data):
        large = self.server.role == "cdn"
        if large and data and count_down("corrupt"):
            data = data[:-1] + bytes([data[-1] ^ 1])
        if large and count_down("stall"):
            self.wfile.write(data[:len(data) // 2])
            time.sleep(30)
        elif large and options.drop and options.drop < len(data) and count_down("drops"):
            self.wfile.write(data[:options.drop])
            self.close_connection = True
        elif large and options.slow:
            step = max(1, options.slow // 20)
            for i in range(0, len(data), step):
                self.wfile.write(data[i:i + step])
                time.sleep(0.05)
        else:
            self.wfile.write(data)


def serve(role, **more):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.role = role
    vars(server).update(more)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


cdn_port = serve("cdn")
print("http://127.0.0.1:%d" % serve("hub", cdn_port=cdn_port), flush=True)
sys.stdin.read()
