// A target as target_test.go describes it, on Node's http module.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const http = require('http');
const path = require('path');

const env = process.env;
const file = url => path.join(env.ELBOW_SYSTEM_FILES, path.basename(url));

const routes = {
  id(req, res) {
    req.resume();
    req.on('end', () => res.writeHead(200, {'X-Target': env.ELBOW_SYSTEM_ID}).end(env.ELBOW_SYSTEM_ID));
  },
  files(req, res) {
    fs.stat(file(req.url), (err, stat) => {
      if (err) return res.writeHead(404).end();
      res.writeHead(200, {'Content-Length': stat.size, 'Content-Type': 'application/octet-stream'});
      if (req.method === 'HEAD') return res.end();
      fs.createReadStream(file(req.url)).pipe(res);
    });
  },
  chunked(req, res) {
    const hash = crypto.createHash('sha256');
    res.writeHead(200, {'Trailer': 'X-Sha256', 'Transfer-Encoding': 'chunked'});
    res.flushHeaders();
    if (req.method === 'HEAD') return res.end();
    const body = fs.createReadStream(file(req.url));
    body.on('data', b => hash.update(b));
    body.on('end', () => {
      res.addTrailers({'X-Sha256': hash.digest('hex')});
      res.end();
    });
    body.pipe(res, {end: false});
  },
  // The length is known where the request says it; else the body is in chunks,
  // and goes back while it still comes.
  echo(req, res) {
    if (req.headers['content-length']) res.setHeader('Content-Length', req.headers['content-length']);
    req.pipe(res);
  },
  early(req, res) {
    res.writeHead(413, {'Connection': 'close'}).end('too large for me');
  },
};

const server = http.createServer((req, res) => {
  const route = routes[req.url.split('/')[1]];
  if (route) route(req, res); else res.writeHead(404).end();
});
const idle = Number(env.ELBOW_SYSTEM_IDLE);
server.keepAliveTimeout = idle > 0 ? idle : 600000;
const [host, port] = env.ELBOW_SYSTEM_LISTEN.split(':');
server.on('error', err => {
  console.error(err.message);
  process.exit(1);
});
server.listen(Number(port), host, () => console.log(`listening on ${host}:${port}`));
