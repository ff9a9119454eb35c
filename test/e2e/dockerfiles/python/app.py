"""A page that needs the virtual environment."""
import http.server

import greeter


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(greeter.words().encode())


http.server.HTTPServer(("", 8000), Page).serve_forever()
