package depcheck

// Module is the module that the table describes.
const Module = "github.com/elbow-lb/elbow"

// A row is a layer of the house: packages that may import everything in the
// rows below theirs and, of their own row, only what an edge allows.
type row struct {
	name     string
	packages []string // relative to the module; a trailing "/..." takes what is below as well
}

// rows lists the layers from top to bottom. Above the line between "state" and
// "mechanism" is policy, which knows load balancers, target groups and rules;
// below it is mechanism, which knows bytes, connections and clocks.
var rows = []row{
	{"assemble", []string{"cmd/elbow/..."}},
	{"operate", []string{"api/admin/...", "config/file"}},
	{"order", []string{"internal/control"}},
	{"move bytes", []string{
		"listener", "listener/application", "listener/network", "listener/gateway",
		"internal/xdp/...", "health/probe",
	}},
	{"decide", []string{"balancer", "balancer/rule", "balancer/sticky", "balancer/maglev", "tls"}},
	{"state", []string{"config", "health"}},
	{"mechanism", []string{
		"internal/netio", "internal/connpool", "internal/httpmsg", "internal/http1", "internal/http2",
		"internal/packet", "internal/geneve", "internal/flow", "internal/metrics", "internal/accesslog",
		"internal/upgrade", "internal/clock", "internal/resolve", "internal/desync",
	}},
}

// edges are the imports allowed between packages of one row.
var edges = map[string][]string{
	"listener/application": {"listener"},
	"listener/network":     {"listener"},
	"listener/gateway":     {"listener"},
	"balancer":             {"balancer/rule", "balancer/sticky", "balancer/maglev"},

	"internal/netio":     {"internal/clock"},
	"internal/connpool":  {"internal/netio", "internal/clock"},
	"internal/http1":     {"internal/httpmsg"},
	"internal/http2":     {"internal/httpmsg"},
	"internal/desync":    {"internal/httpmsg", "internal/http1"}, // http1: its tests, which hold the two to each other
	"internal/geneve":    {"internal/packet"},
	"internal/flow":      {"internal/packet", "internal/clock"},
	"internal/resolve":   {"internal/clock"},
	"internal/accesslog": {"internal/clock"},
}

// outside are trees that stand beside the house: tests, measurements, tools and
// what is shipped with the binary. They may import anything, each other
// included; nothing of the house may import them, except test files, which may
// use the test trees.
var outside = []string{"test/...", "bench/...", "deploy/...", "docs/..."}

// A limit says who may import a foreign package.
type limit struct {
	foreign string   // import path; a trailing "/..." takes what is below as well
	allowed []string // packages of the house that may import it
	why     string
}

var limits = []limit{
	{
		"go.uber.org/zap/...",
		[]string{"cmd/elbow/...", "api/admin/...", "config/file", "internal/control", "listener", "health/probe"},
		"the data path reports by Outcome and counters; zap stops at listener, health, control and api",
	},
	{
		"go.yaml.in/yaml/v4/...",
		[]string{"config"},
		"the YAML library is wrapped in one package, so that it can be exchanged there",
	},
	{
		"github.com/spf13/cobra/...",
		[]string{"cmd/elbow/..."},
		"only the binary knows flags",
	},
	{
		"github.com/coreos/go-systemd/v22/...",
		[]string{"cmd/elbow/...", "internal/upgrade", "internal/control"},
		"the service manager is told by what assembles and orders, never by what works",
	},
	{
		"github.com/fsnotify/fsnotify/...",
		[]string{"config/file"},
		"files are watched in one place",
	},
}

// pure are packages without input, output or a clock of their own, and what
// that means in imports.
var pure = map[string][]string{
	"config":          {"net/http", "os/exec"},
	"health":          {"net", "os", "net/http"},
	"balancer":        {"net", "os", "log", "net/http"},
	"balancer/rule":   {"net", "os", "log", "net/http"},
	"balancer/sticky": {"net", "os", "log", "net/http"},
	"balancer/maglev": {"net", "os", "log", "net/http"},
}

// maxLinkedModules bounds the modules that compile into bin/elbow, ours not
// counted. A small number is a promise to whoever has to audit the binary.
const maxLinkedModules = 18
