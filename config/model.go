package config

import (
	"net/netip"
	"regexp"
	"slices"
	"time"

	"github.com/elbow-lb/elbow/internal/desync"
)

// Model is a validated configuration: every default applied, every reference
// resolved, every value in the type the program works with. It never changes
// once Build returned it, so it may be shared freely.
type Model struct {
	Version       int
	Node          Node
	Zones         []Zone // in file order; an index into it names a zone everywhere
	LoadBalancers []*LoadBalancer
	TargetGroups  []*TargetGroup
	Admin         Admin
	AccessLog     AccessLog
	Log           Log

	// StickinessKeyFile holds the keys of stickiness cookies; "": wherever the
	// process keeps its state.
	StickinessKeyFile string

	// Hash identifies the content the model was built from (hex, SHA-256 of
	// all files in load order after expansion). Two equal hashes mean two
	// equal models.
	Hash string
	// Files lists every file read, in load order, for the watcher.
	Files []string
	// Includes lists the patterns of include that new files may come to
	// match, for the watcher.
	Includes []string
	// Warnings are things an operator should know that do not stop the
	// configuration from taking effect.
	Warnings []Diagnostic
}

// Node describes the machine this process runs on.
type Node struct {
	Zone int // index into Model.Zones, or NoZone
}

// NoZone is the zone index of what belongs to no zone.
const NoZone = -1

// Zone is an availability zone: a label for targets and, with addresses, the
// static addresses that clients reach it by.
type Zone struct {
	Name      string
	Addresses []netip.Addr
}

// LoadBalancerType is ELB's load balancer type.
type LoadBalancerType uint8

// The load balancer types of ELBv2.
const (
	Application LoadBalancerType = iota
	Network
	Gateway
)

// Scheme is ELB's scheme; it is informative here.
type Scheme uint8

// The schemes of ELBv2.
const (
	InternetFacing Scheme = iota
	Internal
)

// LoadBalancer is one load balancer with its listeners.
type LoadBalancer struct {
	Name       string
	Type       LoadBalancerType
	Scheme     Scheme
	Zones      []int // indexes into Model.Zones; empty: all of them
	Attributes LoadBalancerAttributes
	Listeners  []*Listener
	Position   Position
}

// LoadBalancerAttributes are the attributes that have behaviour. The registry
// (attributes.go) names each field's ELB key, default and range.
type LoadBalancerAttributes struct {
	IdleTimeout        time.Duration // idle_timeout.timeout_seconds
	ClientKeepAlive    time.Duration // client_keep_alive.seconds
	CrossZone          bool          // load_balancing.cross_zone.enabled
	DesyncMode         desync.Mode   // routing.http.desync_mitigation_mode
	DropInvalidFields  bool          // routing.http.drop_invalid_header_fields.enabled
	PreserveHostHeader bool          // routing.http.preserve_host_header.enabled
	XFFMode            XFFMode       // routing.http.xff_header_processing.mode
	XFFClientPort      bool          // routing.http.xff_client_port.enabled
	ConnectTimeout     time.Duration // elbow.target_connect_timeout.seconds (default 10, 1..60)
	TargetIdleTimeout  time.Duration // elbow.target_idle_timeout.seconds (default 60, 1..4000): how long an unused target connection is kept
	TargetMaxIdle      int           // elbow.target_max_idle_connections (default 1024): per target
	HeadTimeout        time.Duration // elbow.request_head_timeout.seconds (default 10, 1..4000)
	SendTimeout        time.Duration // elbow.client_send_timeout.seconds (default 30, 1..4000): how long a client may take nothing of a response
	ClientMinRate      int           // elbow.client_min_rate.bytes_per_second (default 240): 0 is none
	TrustedProxies     *Networks     // elbow.trusted_proxies (default none)
}

// XFFMode says what happens to X-Forwarded-For.
type XFFMode uint8

// The modes of routing.http.xff_header_processing.mode.
const (
	XFFAppend XFFMode = iota
	XFFPreserve
	XFFRemove
)

// Protocol is a listener's or a target group's protocol.
type Protocol uint8

// The protocols of ELBv2.
const (
	HTTP Protocol = iota
	HTTPS
	TCP
	TLS
	UDP
	TCPUDP
	QUIC
	TCPQUIC
	GENEVE
)

// Listener is one listener of a load balancer.
type Listener struct {
	LoadBalancer *LoadBalancer
	Protocol     Protocol
	Port         uint16
	// Address is the one address to listen on. When it is not valid the
	// listener binds the addresses of the load balancer's zones, or all
	// addresses where no zone has any.
	Address    netip.Addr
	Attributes ListenerAttributes
	Default    Actions // of the default rule
	Rules      []*Rule // by ascending priority
	Position   Position
}

// ListenerAttributes are the listener attributes that have behaviour.
type ListenerAttributes struct {
	ServerHeader bool // routing.http.response.server.enabled

	// ResponseHeaders are those that all responses get, in place of the target's
	// of the same name: routing.http.response.*.header_value.
	ResponseHeaders []Header

	MaxConnections          int // elbow.max_connections; 0: as many as there are descriptors for
	MaxConnectionsPerSource int // elbow.max_connections_per_source; 0: any number
}

// Header is a header field: a name in its usual spelling, and a value that is not
// empty and may be sent as it is.
type Header struct{ Name, Value string }

// Rule is one numbered rule of a listener.
type Rule struct {
	Priority   int
	Conditions []Condition
	Actions    Actions
	Transforms Transforms
	Position   Position
}

// Transforms is how a rule rewrites a request after it has matched; nil for what
// stays as it is.
type Transforms struct {
	Host *Rewrite // host-header-rewrite: the host without its port; the regex ignores case
	URL  *Rewrite // url-rewrite: path and query, as received
}

// Rewrite replaces the first match of Regex by Replace, in which $1 to $9 stand for
// groups that Regex has, and any other $ for itself.
type Rewrite struct {
	Regex   *regexp.Regexp
	Replace string
}

// ConditionField is what a condition looks at.
type ConditionField uint8

// The condition fields of ELBv2.
const (
	HostHeader ConditionField = iota
	PathPattern
	HTTPHeader
	HTTPRequestMethod
	QueryString
	SourceIP
)

// Condition is one condition of a rule; conditions of one rule are ANDed, the
// values of one condition are ORed. Exactly one of the value lists is set.
type Condition struct {
	Field      ConditionField
	HeaderName string           // HTTPHeader only, as written
	Values     []string         // wildcards * and ?; methods are exact
	Regexes    []*regexp.Regexp // host-header, path-pattern, http-header; host and header ones are compiled case-insensitive
	Query      []QueryPair      // QueryString only
	Networks   []netip.Prefix   // SourceIP only, masked
}

// QueryPair is one key/value pattern of a query-string condition.
type QueryPair struct {
	Key    string // "" matches any key when HasKey is false
	Value  string
	HasKey bool
}

// ActionType is the terminal action of a rule.
type ActionType uint8

// The action types that exist.
const (
	Forward ActionType = iota
	Redirect
	FixedResponse
)

// Actions are what a rule does: exactly one action, of the type's field.
type Actions struct {
	Type          ActionType
	Forward       *ForwardAction
	Redirect      *RedirectAction
	FixedResponse *FixedResponseAction
	Position      Position
}

// Sticks tells whether anything makes a client stay, so that keys are needed.
func (m *Model) Sticks() bool {
	for _, g := range m.TargetGroups {
		if g.Attributes.Stickiness.Enabled {
			return true
		}
	}
	for _, lb := range m.LoadBalancers {
		for _, l := range lb.Listeners {
			if l.Default.sticks() || slices.ContainsFunc(l.Rules, func(r *Rule) bool { return r.Actions.sticks() }) {
				return true
			}
		}
	}
	return false
}

func (a *Actions) sticks() bool { return a.Forward != nil && a.Forward.Sticky > 0 }

// ForwardAction sends the request to one of several target groups by weight.
type ForwardAction struct {
	Groups []WeightedGroup

	// Sticky is how long a client stays with the target group that it got; 0:
	// the weights decide each time.
	Sticky time.Duration
}

// WeightedGroup is one target group of a forward action.
type WeightedGroup struct {
	Group  *TargetGroup
	Weight int // 0..999; 0 takes nothing
}

// RedirectAction answers with a Location built from the request. No string is
// empty but Query, for a Location without one: the defaults are ELB's
// placeholders ("#{protocol}", "#{host}", "#{port}", "/#{path}", "#{query}").
type RedirectAction struct {
	Protocol, Host, Port, Path, Query string
	StatusCode                        int // 301 or 302
}

// FixedResponseAction answers without a target.
type FixedResponseAction struct {
	StatusCode  int
	ContentType string
	Body        string
}

// TargetType is what a target's id means.
type TargetType uint8

// The target types of ELBv2.
const (
	TargetIP TargetType = iota // an IP address or, as our addition, a DNS name
	TargetInstance
	TargetLambda
	TargetALB
)

// Algorithm is load_balancing.algorithm.type.
type Algorithm uint8

// The load balancing algorithms of ELB.
const (
	RoundRobin Algorithm = iota
	LeastOutstandingRequests
	WeightedRandom
)

// TargetGroup is a set of targets with one way to reach and to check them.
type TargetGroup struct {
	Name        string
	Protocol    Protocol
	Port        uint16
	TargetType  TargetType
	HealthCheck HealthCheck
	Attributes  TargetGroupAttributes
	Targets     []Target
	Position    Position
}

// TargetGroupAttributes are the target group attributes that have behaviour.
type TargetGroupAttributes struct {
	Algorithm  Algorithm // load_balancing.algorithm.type
	CrossZone  CrossZone // load_balancing.cross_zone.enabled
	Stickiness Stickiness

	DeregistrationDelay time.Duration // deregistration_delay.timeout_seconds

	// target_group_health.unhealthy_state_routing.minimum_healthy_targets:
	MinimumHealthy        int // .count; less than 1 means 1
	MinimumHealthyPercent int // .percentage of the registered ones, 1 to 100; 0 is off

	SlowStart         time.Duration // slow_start.duration_seconds; 0 is off
	AnomalyMitigation bool          // load_balancing.algorithm.anomaly_mitigation
	Failover          bool          // elbow.failover.enabled
	RetryBudget       int           // elbow.retry_budget.percent of the requests, 1 to 100; 0 is off

	MaxOutstanding int           // elbow.max_outstanding_requests, of each target; 0: any number
	QueueSize      int           // elbow.queue_size; 0: who finds no target below the limit is refused at once
	QueueTimeout   time.Duration // elbow.queue_timeout.milliseconds (default 1000, 1..60000)
}

// Stickiness says whether, and how, a client stays with its target.
type Stickiness struct {
	Enabled           bool
	Type              StickinessType
	LBCookieDuration  time.Duration
	AppCookieName     string // set where Enabled and Type is AppCookie
	AppCookieDuration time.Duration
}

// StickinessType is whose cookie stickiness goes by.
type StickinessType uint8

// The values of stickiness.type.
const (
	LBCookie StickinessType = iota
	AppCookie
)

var stickinessTypes = []string{"lb_cookie", "app_cookie"}

// CrossZone is a target group's view of cross-zone load balancing.
type CrossZone uint8

// The values of a target group's load_balancing.cross_zone.enabled.
const (
	CrossZoneInherit CrossZone = iota // use_load_balancer_configuration
	CrossZoneOn
	CrossZoneOff
)

// HealthCheck says how the targets of a group are probed.
type HealthCheck struct {
	Enabled            bool
	Protocol           Protocol // HTTP, HTTPS or TCP
	Port               uint16   // 0: the port the target takes traffic on
	Path               string
	Interval           time.Duration
	Timeout            time.Duration
	HealthyThreshold   int
	UnhealthyThreshold int
	Matcher            Matcher
}

// Matcher is the set of statuses that mean healthy.
type Matcher struct {
	Ranges []StatusRange
	Text   string // as written, e.g. "200-299,301"
}

// StatusRange is an inclusive range of HTTP statuses.
type StatusRange struct{ Low, High int }

// Match tells whether an HTTP status counts as healthy.
func (m Matcher) Match(status int) bool {
	for _, r := range m.Ranges {
		if r.Low <= status && status <= r.High {
			return true
		}
	}
	return false
}

// Target is one registered target. Exactly one of Addr and Name is set.
type Target struct {
	ID       string     // as written
	Addr     netip.Addr // when the id is an IP address
	Name     string     // when the id is a DNS name, lower case, with the dot at its end if it has one
	Port     uint16     // the group's where the target has none
	Zone     int        // index into Model.Zones, or NoZone
	Position Position
}

// Admin says where the admin API listens.
type Admin struct {
	Socket string         // path of the unix socket; "" turns it off. Default /run/elbow/admin.sock
	Listen netip.AddrPort // optional loopback TCP address; invalid: off
}

// AccessLog says where access logs go.
type AccessLog struct {
	File   string // path, "stdout", or "" for none
	Format LogFormat
}

// LogFormat is the form of an access log line.
type LogFormat uint8

// The access log formats.
const (
	FormatELB LogFormat = iota
	FormatJSON
)

// Log says how the daemon's own log looks.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // json or console
}
