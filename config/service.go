package config

import (
	"net/netip"
	"slices"
)

var adminObject = &object{
	name: "admin API",
	doc:  "Where the admin API listens: status, metrics, health of the process itself.",
	fields: []field{
		{name: "socket", kind: textValue, empty: true, max: maxSocketPath, def: "/run/elbow/admin.sock",
			doc: "The path of a unix socket. \"\" turns it off. A relative path counts from the file that says it."},
		{name: "listen", kind: textValue, empty: true, format: "a loopback address and port such as 127.0.0.1:9090",
			doc: "A loopback TCP address and port to listen on as well. Off when it is left out or \"\"."},
	},
}

// maxSocketPath is what a unix socket address has room for (unix(7)).
const maxSocketPath = 107

var accessLogObject = &object{
	name: "access log",
	doc:  "A line for every request.",
	fields: []field{
		{name: "file", kind: textValue, empty: true,
			doc: "The file to append to, or stdout. No access log is written when it is left out or \"\". A relative path counts from the file that says it."},
		{name: "format", kind: choiceValue, def: "elb", values: []choice{{word: "elb", doc: "the fields of ELB's access logs, in their order"}, {word: "json", doc: "one JSON object per line"}},
			doc: "What a line looks like."},
	},
}

var logObject = &object{
	name: "log",
	doc:  "The daemon's own log, which goes to stderr.",
	fields: []field{
		{name: "level", kind: choiceValue, def: "info", values: []choice{{word: "debug"}, {word: "info"}, {word: "warn"}, {word: "error"}},
			doc: "The least severe level that is logged."},
		{name: "format", kind: choiceValue, def: "json", values: []choice{{word: "json"}, {word: "console", doc: "for people"}},
			doc: "What a line looks like."},
	},
}

var stickinessObject = &object{
	name: "stickiness",
	doc:  "What stickiness cookies are sealed with.",
	fields: []field{
		{name: "key_file", kind: textValue, required: true,
			doc: "A file of keys, one per line, 32 bytes in base64; the first seals new cookies, all open old ones. Nodes that share it honour each other's cookies. It is made when it does not exist, with one key. A relative path counts from the file that says it. Left out, it is stickiness.keys in the state directory that systemd gives, or else there is a key in memory, and a restart forgets who stuck where."},
	},
}

func (b *builder) stickiness(f fields) {
	s, ok := f.child("stickiness")
	if !ok {
		return
	}
	if path, ok := s.text("key_file"); ok && s.has("key_file") {
		b.model.StickinessKeyFile = resolvePath(path, s.set["key_file"].source.dir)
	}
}

func (b *builder) admin(f fields) {
	a, _ := f.child("admin")
	if a.object == nil {
		a = fields{r: &b.reporter, object: adminObject, node: f.node}
	}
	b.model.Admin.Socket, _ = a.text("socket")
	if n := a.set["socket"]; n != nil && n.text != "" {
		b.model.Admin.Socket = resolvePath(n.text, n.source.dir)
		checkPath(a, "socket")
		if len(b.model.Admin.Socket) > maxSocketPath {
			a.errorf("socket", "must be at most %d bytes long with its directory, got %d", maxSocketPath, len(b.model.Admin.Socket))
		}
	}
	text, ok := a.text("listen")
	if !ok || text == "" {
		return
	}
	listen, err := netip.ParseAddrPort(text)
	switch {
	case err != nil || listen.Port() == 0:
		a.wrong("listen", "must be an address and port, such as 127.0.0.1:9090 or [::1]:9090")
	case !listen.Addr().Unmap().IsLoopback():
		a.errorf("listen", "must be a loopback address, 127.0.0.1 or [::1], as the admin API asks for no password; got %s", a.set["listen"].shown())
	default:
		b.model.Admin.Listen = netip.AddrPortFrom(listen.Addr().Unmap(), listen.Port())
	}
}

// checkPath reports a path that no file should have, even where it could.
func checkPath(f fields, name string) {
	if n := f.set[name]; printable(n.text) != n.text {
		f.wrong(name, "must be a path of printable characters")
	}
}

func (b *builder) accessLog(f fields) {
	a, ok := f.child("access_log")
	if !ok {
		return
	}
	file, _ := a.text("file")
	if file != "" && file != "stdout" {
		checkPath(a, "file")
		file = resolvePath(file, a.set["file"].source.dir)
	}
	format, _ := a.choice("format")
	b.model.AccessLog = AccessLog{File: file}
	if format == "json" {
		b.model.AccessLog.Format = FormatJSON
	}
	if file == "" && a.has("format") {
		b.warnf(a.place("format"), a.at("format"), "has no effect without file")
	}
}

func (b *builder) log(f fields) {
	l, _ := f.child("log")
	if l.object == nil {
		l = fields{r: &b.reporter, object: logObject, node: f.node}
	}
	b.model.Log.Level, _ = l.choice("level")
	b.model.Log.Format, _ = l.choice("format")
}

// indexOf is the position of a word in the table of an enumeration.
func indexOf(words []string, word string) uint8 { return uint8(max(slices.Index(words, word), 0)) }
