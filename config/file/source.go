// Package file tells when a configuration on disk has changed.
//
// A Source reads a configuration (Load) and remembers exactly what it read. Run
// then watches the directories of those files, not the files: an editor replaces
// a file by renaming a new one over it, and Kubernetes replaces a whole ConfigMap
// by renaming one symbolic link (..data), of which a watch on the file itself
// would see nothing. What a watch reports is only a hint to look: a change is one
// only when the content differs from what was read. Because watches can be lost,
// with a directory that is removed or a file system that has none, the content is
// compared every ten seconds as well.
//
// A Source decides nothing. Whether a changed configuration is good, and what
// happens to it, is for the caller.
package file

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/elbow-lb/elbow/config"
)

// Timing of Run.
const (
	// debounce is how long the directories must be quiet before the content
	// is compared: writers write in several steps.
	debounce = 100 * time.Millisecond
	// maxDelay bounds how long they can go on being noisy, as when a log is
	// written in the same directory.
	maxDelay = time.Second
	// pollInterval is how often the content is compared without a hint.
	pollInterval = 10 * time.Second
)

// Source is a configuration file, with what it includes, that may change.
type Source struct {
	// Immutable after New.
	path         string
	log          *zap.Logger
	debounce     time.Duration
	maxDelay     time.Duration
	pollInterval time.Duration

	wake chan struct{} // tells Run that the set of files changed

	mu    sync.Mutex // guards the fields below
	files []string
	globs []string
	seen  fingerprint // of the content last read, or last told about
}

// fingerprint is what the content of a set of files comes to: by path its hash,
// or why it could not be read; by pattern the files it matches.
type fingerprint map[string]string

// New returns a Source of the configuration file at path. It reads nothing yet.
// A nil log is no log.
func New(path string, log *zap.Logger) *Source {
	if log == nil {
		log = zap.NewNop()
	}
	path = filepath.Clean(path)
	return &Source{
		path: path, log: log, wake: make(chan struct{}, 1),
		debounce: debounce, maxDelay: maxDelay, pollInterval: pollInterval,
		files: []string{path},
	}
}

// Path returns the path that New was given.
func (s *Source) Path() string { return s.path }

// Load reads the configuration and returns its model, or all that is wrong with
// it. From then on a change is a difference from what was read now, even when
// it is wrong: so that Run tells when it was corrected. Load may be called while
// Run runs, from its onChange or elsewhere.
func (s *Source) Load(env config.LookupEnv) (*config.Model, config.Diagnostics) {
	s.mu.Lock()
	files, globs := s.files, s.globs
	s.mu.Unlock()
	// The content is hashed before it is read. Where it changes in between,
	// the next comparison finds a difference, and at worst the same content
	// is loaded twice; the other way round a change could go unnoticed. Files
	// that turn out to be part of it are therefore hashed, and all read again.
	for try := 1; ; try++ {
		seen := take(files, globs)
		doc := config.Load(s.path, env)
		same := slices.Equal(files, doc.Files()) && slices.Equal(globs, doc.Includes())
		files, globs = doc.Files(), doc.Includes()
		if same || try == maxTries {
			// A file that was not hashed counts as changed: it is read again.
			s.set(files, globs, seen)
			return doc.Build()
		}
	}
}

// maxTries bounds how often Load reads a configuration whose set of files
// changes from one reading to the next.
const maxTries = 4

func (s *Source) set(files, globs []string, seen fingerprint) {
	s.mu.Lock()
	s.files, s.globs, s.seen = files, globs, seen
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default: // Run has yet to hear of the last change; it will see this one
	}
}

// changed compares the content with what was last seen, and remembers it.
func (s *Source) changed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := take(s.files, s.globs)
	if s.seen == nil { // nothing was read yet: this is what there is
		s.seen = now
		return false
	}
	different := false
	for key, value := range now {
		different = different || s.seen[key] != value
	}
	s.seen = now
	return different
}

// take reads the fingerprint of files and patterns.
func take(files, globs []string) fingerprint {
	f := make(fingerprint, len(files)+len(globs))
	for _, path := range files {
		f["file "+path] = contentOf(path)
	}
	for _, pattern := range globs {
		matches, _ := config.Glob(pattern)
		f["glob "+pattern] = strings.Join(matches, "\x00")
	}
	return f
}

// contentOf returns the hash of a file's content, or a word for why there is
// none. It reads no more than a configuration file may have.
func contentOf(path string) string {
	// Opening a pipe must not wait for a writer.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "absent"
	case err != nil:
		return "unreadable"
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "unreadable"
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.LimitReader(f, config.MaxFileSize+1)); err != nil {
		return "unreadable"
	}
	return string(h.Sum(nil))
}

// Run watches until ctx ends, and calls onChange, from its own goroutine, each
// time the content has changed. Changes during onChange are told afterwards.
// Where the system gives no watches Run says so in the log and only compares
// every ten seconds. It returns nil.
func (s *Source) Run(ctx context.Context, onChange func()) error {
	w := newWatcher(s.log)
	defer w.close()
	poll := time.NewTicker(s.pollInterval)
	defer poll.Stop()
	quiet := time.NewTimer(s.debounce)
	defer quiet.Stop()
	noisySince := time.Now()
	pending := true // content may have changed between Load and the first watch

	s.watch(w)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.wake:
			s.watch(w)
			// What changed before the watch began gave no hint.
			if !pending {
				pending, noisySince = true, time.Now()
				quiet.Reset(s.debounce)
			}
		case _, ok := <-w.events():
			if !ok {
				w.close()
				continue
			}
			if !pending {
				pending, noisySince = true, time.Now()
			}
			quiet.Reset(max(0, min(s.debounce, s.maxDelay-time.Since(noisySince))))
		case err, ok := <-w.errors():
			if !ok {
				w.close()
				continue
			}
			// An overflow means that hints were lost: look now.
			s.log.Warn("watching the configuration", zap.Error(err))
			pending, noisySince = true, time.Now()
			quiet.Reset(0)
		case <-quiet.C:
			pending = false
			s.compare(w, onChange)
		case <-poll.C:
			s.compare(w, onChange)
		}
	}
}

// compare calls onChange if the content has changed.
func (s *Source) compare(w *watcher, onChange func()) {
	s.watch(w) // directories may have come back, or links point elsewhere
	if s.changed() {
		s.log.Debug("the configuration has changed", zap.String("file", s.path))
		onChange()
	}
}

// watch makes w watch the directories of the present files.
func (s *Source) watch(w *watcher) {
	s.mu.Lock()
	files, globs := s.files, s.globs
	s.mu.Unlock()
	w.set(directories(files, globs))
}

// directories returns where changes to files, and new matches of patterns, show:
// the directories that hold the files and whatever symbolic links on the way to
// them, links resolved.
func directories(files, globs []string) []string {
	var dirs []string
	for _, path := range files {
		dirs = append(dirs, directoriesOf(path, 0)...)
	}
	for _, pattern := range globs {
		matches, _ := filepath.Glob(filepath.Dir(pattern))
		for _, dir := range matches {
			dirs = append(dirs, directoriesOf(filepath.Join(dir, "*"), 0)...)
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// maxLinks bounds how many symbolic links in a row are followed, as the kernel
// does.
const maxLinks = 40

// directoriesOf returns the directory of path and those of all symbolic links on
// the way: the directory of a link sees the link change, that of what it points
// to sees the content change.
func directoriesOf(path string, links int) []string {
	var dirs []string
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		dirs = append(dirs, dir)
	}
	for p := path; links < maxLinks; p = filepath.Dir(p) {
		if target, err := os.Readlink(p); err == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(p), target)
			}
			rest := strings.TrimPrefix(path, p)
			dirs = append(dirs, directoriesOf(p, maxLinks)...)
			dirs = append(dirs, directoriesOf(filepath.Join(target, rest), links+1)...)
			break
		}
		if filepath.Dir(p) == p {
			break
		}
	}
	return dirs
}
