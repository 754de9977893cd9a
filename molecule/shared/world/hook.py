"""Where alarms go: keeps what it gets, and answers 204, or what it is told to.

hook.py CERTIFICATE KEY ANSWER
"""

import http.server
import itertools
import json
import os
import socket
import ssl
import sys

GOT = "/run/bed-hook"
chain, key, answer = sys.argv[1], sys.argv[2], int(sys.argv[3])
os.makedirs(GOT, exist_ok=True)
numbers = itertools.count(len(os.listdir(GOT)))


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(f"{GOT}/{next(numbers):06}", "w") as stream:
            json.dump({"fields": dict(self.headers), "body": body}, stream)
        self.send_response(answer)
        self.end_headers()


class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


server = Server(("::", 8443), Receiver)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
