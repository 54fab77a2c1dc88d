"""A target on Python's http.server: it prints what it sees, and answers with the path."""
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self):
        trace = self.headers.get("X-Amzn-Trace-Id", "-")
        sys.stdout.write(f"saw {trace} {self.command} {self.requestline.split(' ')[1]}\n")
        sys.stdout.flush()
        if self.headers.get("Expect"):
            self.send_response_only(100)
            self.end_headers()
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code, message=None, explain=None):
        sys.stdout.write(f"saw - {code} -\n")
        sys.stdout.flush()
        super().send_error(code, message, explain)

    def log_message(self, *args):
        pass


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
