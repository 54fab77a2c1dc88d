// Package admin is the way into a running daemon: an HTTP API on a unix socket
// and, if wanted, on a loopback TCP address, and the client that the commands
// use.
//
// Who may connect may ask everything: the socket is protected by its mode (0660)
// and its directory, the TCP address by being loopback. As any web page that a
// browser on the machine shows may send requests to a loopback address, requests
// over TCP must name a loopback host (against DNS rebinding), and those that
// change something must not come from another site.
//
// Every answer but /metrics and the page at / is JSON. Every failure has one
// shape, Failure. The API shows no secret: a configuration has none that is not
// named by a file or an environment variable, and only its hash and the names of
// its files are shown.
package admin
