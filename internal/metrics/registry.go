package metrics

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options says what the registry exports besides the counters.
type Options struct {
	Version string // of the program, for elbow_build_info; empty means "unknown"
	Commit  string // of the program, for elbow_build_info; empty means "unknown"

	// Reasons names the refusal codes, from 0 on: Reasons[3] is the reason
	// label of what ListenerShard.Refused[3] counts. An empty name is a code
	// that is not exported. At most MaxReasons, without duplicates. Each name
	// is one of the 120 series that the process may have.
	Reasons []string
}

// Registry owns all counters of the process and exports them.
//
// Listener, Group, Target, Retain and OnScrape belong to the control plane and
// take a lock; the data path keeps the shards that it was given and never
// comes here.
type Registry struct {
	// Immutable after New.
	shards  int
	opts    Options
	reg     *prometheus.Registry
	catalog map[*Metric]*prometheus.Desc

	mu        sync.RWMutex // guards the fields below; not held during callbacks
	listeners map[listenerKey]*Listener
	groups    map[string]*Group
	targets   map[targetKey]*Target
	callbacks []func(Emitter)

	// refused keeps the refusals of listeners that Retain dropped: they are
	// exported as one sum per reason over all listeners, which must not fall.
	refused [MaxReasons]uint64
}

type listenerKey struct{ loadBalancer, listener string }

type targetKey struct{ group, target, zone string }

// New returns a registry whose entities have one shard per event loop. It
// panics when shards is not positive or Options.Reasons breaks its limits: both
// are constants of the program.
func New(shards int, opts Options) *Registry {
	if shards <= 0 {
		panic(fmt.Sprintf("metrics: %d shards", shards))
	}
	checkReasons(opts.Reasons)
	opts.Reasons = slices.Clone(opts.Reasons)
	if opts.Version == "" {
		opts.Version = "unknown"
	}
	if opts.Commit == "" {
		opts.Commit = "unknown"
	}
	r := &Registry{
		shards:    shards,
		opts:      opts,
		reg:       prometheus.NewRegistry(),
		catalog:   make(map[*Metric]*prometheus.Desc, len(catalog)),
		listeners: make(map[listenerKey]*Listener),
		groups:    make(map[string]*Group),
		targets:   make(map[targetKey]*Target),
	}
	for _, m := range catalog {
		r.catalog[m] = prometheus.NewDesc(m.Name, m.helpText(), m.Labels, nil)
	}
	r.reg.MustRegister(
		// The memory statistics of the Go collector are 24 series, a good part
		// of the budget of 120; the four below are those that people look at.
		collectors.NewGoCollector(
			collectors.WithGoCollectorMemStatsMetricsDisabled(),
			collectors.WithGoCollectorRuntimeMetrics(goRuntimeMetrics),
		),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collector{r},
	)
	return r
}

func checkReasons(reasons []string) {
	if len(reasons) > MaxReasons {
		panic(fmt.Sprintf("metrics: %d refusal reasons, at most %d", len(reasons), MaxReasons))
	}
	seen := make(map[string]bool)
	for _, name := range reasons {
		if name != "" && seen[name] {
			panic(fmt.Sprintf("metrics: refusal reason %q twice", name))
		}
		seen[name] = true
	}
}

// Gatherer returns what a scrape reads.
func (r *Registry) Gatherer() prometheus.Gatherer { return r.reg }

// Handler serves the metrics in the Prometheus text format, or in OpenMetrics
// when the scraper asks for it. When a part cannot be collected the rest is
// still served.
func (r *Registry) Handler() http.Handler {
	return promhttp.HandlerFor(r.reg, promhttp.HandlerOpts{
		ErrorHandling:     promhttp.ContinueOnError,
		EnableOpenMetrics: true,
	})
}

// Shards returns the number of shards that each entity has.
func (r *Registry) Shards() int { return r.shards }

// Listener returns the counters of the listener with these labels, creating
// them on first use.
func (r *Registry) Listener(loadBalancer, listener string) *Listener {
	key := listenerKey{loadBalancer, listener}
	return getOrCreate(r, r.listeners, key, func() *Listener {
		return &Listener{LoadBalancer: loadBalancer, Name: listener, shards: make([]ListenerShard, r.shards)}
	})
}

// Group returns the counters of the target group, creating them on first use.
func (r *Registry) Group(targetGroup string) *Group {
	return getOrCreate(r, r.groups, targetGroup, func() *Group {
		return &Group{Name: targetGroup, shards: make([]GroupShard, r.shards)}
	})
}

// Target returns the counters of the target with these labels, creating them
// on first use. target is address:port; zone is empty where there is none.
func (r *Registry) Target(targetGroup, target, zone string) *Target {
	key := targetKey{targetGroup, target, zone}
	return getOrCreate(r, r.targets, key, func() *Target {
		return &Target{Group: targetGroup, Name: target, Zone: zone, shards: make([]TargetShard, r.shards)}
	})
}

func getOrCreate[K comparable, E any](r *Registry, all map[K]*E, key K, create func() *E) *E {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := all[key]
	if e == nil {
		e = create()
		all[key] = e
	}
	return e
}

// Retain forgets every entity for which keep returns false; keep is called
// with each *Listener, *Group and *Target and must not call the registry.
//
// Work that still holds a forgotten entity may go on counting on it; nothing
// exports that any more. So forget an entity when its last connection or
// request is gone, or accept the loss. Asking for the same labels again later
// starts from zero, which Prometheus takes for a restart.
func (r *Registry) Retain(keep func(entity any) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.listeners, func(_ listenerKey, l *Listener) bool {
		if keep(l) {
			return false
		}
		for i := range l.shards {
			for reason := range r.refused {
				r.refused[reason] += l.shards[i].Refused[reason].Load()
			}
		}
		return true
	})
	maps.DeleteFunc(r.groups, func(_ string, g *Group) bool { return !keep(g) })
	maps.DeleteFunc(r.targets, func(_ targetKey, t *Target) bool { return !keep(t) })
}

// OnScrape adds a callback that every scrape calls to read what the control
// plane knows: health, generations, pools. Scrapes may overlap, so the callback
// must be safe for concurrent use. It must not block, and must not call the
// registry.
func (r *Registry) OnScrape(f func(Emitter)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.callbacks = append(r.callbacks, f)
}
