package file

import (
	"maps"
	"slices"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

// watcher watches a changing set of directories. It is used by one goroutine.
// Where the system gives no watches it is there, and never has an event.
type watcher struct {
	fs  *fsnotify.Watcher // nil where there is none
	log *zap.Logger
	// failed are the directories of the last set that could not be watched,
	// so that each is logged once.
	failed map[string]bool
}

func newWatcher(log *zap.Logger) *watcher {
	fs, err := fsnotify.NewWatcher()
	if err != nil {
		log.Warn("cannot watch files; the configuration is only compared from time to time", zap.Error(err))
		fs = nil
	}
	return &watcher{fs: fs, log: log, failed: map[string]bool{}}
}

func (w *watcher) events() <-chan fsnotify.Event {
	if w.fs == nil {
		return nil
	}
	return w.fs.Events
}

func (w *watcher) errors() <-chan error {
	if w.fs == nil {
		return nil
	}
	return w.fs.Errors
}

// set watches exactly the directories given, as far as they can be.
func (w *watcher) set(dirs []string) {
	if w.fs == nil {
		return
	}
	watched := w.fs.WatchList()
	for _, dir := range watched {
		if !slices.Contains(dirs, dir) {
			// It may be gone, and its watch with it: nothing to report.
			_ = w.fs.Remove(dir)
		}
	}
	maps.DeleteFunc(w.failed, func(dir string, _ bool) bool { return !slices.Contains(dirs, dir) })
	for _, dir := range dirs {
		if slices.Contains(watched, dir) {
			continue
		}
		err := w.fs.Add(dir)
		switch {
		case err == nil:
			delete(w.failed, dir)
		case !w.failed[dir]:
			w.failed[dir] = true
			w.log.Warn("cannot watch a directory; changes in it are seen late", zap.String("directory", dir), zap.Error(err))
		}
	}
}

// close gives up watching.
func (w *watcher) close() {
	if w.fs == nil {
		return
	}
	if err := w.fs.Close(); err != nil {
		w.log.Warn("closing a watch", zap.Error(err))
	}
	w.fs = nil
}
