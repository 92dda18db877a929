"""Answers every request with a greeting."""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from python\n")


def main() -> None:
    if sys.argv[1:] == ["--check"]:
        print("hello from python, uid above 0:", os.getuid() > 0)
        return
    HTTPServer(("", 8000), Handler).serve_forever()


if __name__ == "__main__":
    main()
