// A target on Node's http module: it prints what it sees, and answers with the path.
'use strict';
const http = require('http');

const server = http.createServer((req, res) => {
  process.stdout.write(`saw ${req.headers['x-amzn-trace-id'] || '-'} ${req.method} ${req.url}\n`);
  req.resume();
  req.on('end', () => res.end(req.url));
});
server.on('clientError', (err, socket) => {
  // A connection that ends, or is cut, in a body is no request.
  if (err.code.startsWith('HPE_') && err.code !== 'HPE_INVALID_EOF_STATE') process.stdout.write(`saw - ${err.code} -\n`);
  socket.destroy();
});
server.keepAliveTimeout = 600000;
server.listen(Number(process.argv[2]), '127.0.0.1');
