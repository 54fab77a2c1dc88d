package file

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.uber.org/goleak"
	"go.uber.org/zap"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline is how long a test waits for what must happen.
const deadline = 20 * time.Second

// text is a configuration in which only a name varies.
func text(name string) string {
	return "version: 1\nload_balancers:\n- name: " + name + "\n  listeners: []\n"
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run starts a Source as the daemon does: load, run, and load on each change.
// Its result waits until a load gives load balancers of these names.
func run(t *testing.T, path string, poll time.Duration) (waitFor func(names ...string)) {
	t.Helper()
	s := New(path, nil)
	s.debounce, s.pollInterval = 5*time.Millisecond, poll
	loads := make(chan []string, 100)
	load := func() {
		m, errs := s.Load(nil)
		if errs != nil {
			loads <- []string{"rejected"}
			return
		}
		var names []string
		for _, lb := range m.LoadBalancers {
			names = append(names, lb.Name)
		}
		loads <- names
	}
	load()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx, load); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
	return func(names ...string) {
		t.Helper()
		timeout := time.After(deadline)
		var last []string
		for {
			select {
			case last = <-loads:
				if slices.Equal(last, names) {
					return
				}
			case <-timeout:
				t.Fatalf("no load gave %v; the last gave %v", names, last)
			}
		}
	}
}

// never is a poll interval that no test lives to see: changes must be seen by
// watching.
const never = time.Hour

func TestWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "elbow.yaml")
	write(t, path, text("one"))
	waitFor := run(t, path, never)
	waitFor("one")
	write(t, path, text("two"))
	waitFor("two")
	write(t, path, "version: nonsense")
	waitFor("rejected")
	write(t, path, text("three"))
	waitFor("three")
}

// Editors write a new file and rename it over the old one.
func TestRenameOver(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "elbow.yaml")
	write(t, path, text("n0"))
	waitFor := run(t, path, never)
	waitFor("n0")
	for i := 1; i <= 3; i++ {
		name := "n" + strconv.Itoa(i)
		write(t, path+"~", text(name))
		must(t, os.Rename(path+"~", path))
		waitFor(name)
	}
}

// Some remove the file first.
func TestRemoveAndCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "elbow.yaml")
	write(t, path, text("one"))
	waitFor := run(t, path, never)
	waitFor("one")
	must(t, os.Remove(path))
	waitFor("rejected")
	write(t, path, text("two"))
	waitFor("two")
}

// A ConfigMap volume is a link to a link to a directory, and is replaced by
// renaming the inner link (kubernetes pkg/volume/util/atomic_writer.go).
func TestConfigMap(t *testing.T) {
	dir := t.TempDir()
	publish := func(version, name string) {
		data := filepath.Join(dir, "..2026_"+version)
		must(t, os.Mkdir(data, 0o755))
		write(t, filepath.Join(data, "elbow.yaml"), text(name))
		must(t, os.Symlink("..2026_"+version, filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
	}
	publish("1", "one")
	path := filepath.Join(dir, "elbow.yaml")
	must(t, os.Symlink(filepath.Join("..data", "elbow.yaml"), path))
	waitFor := run(t, path, never)
	waitFor("one")
	for i, name := range []string{"two", "three", "four"} {
		publish(strconv.Itoa(i+2), name)
		must(t, os.RemoveAll(filepath.Join(dir, "..2026_"+strconv.Itoa(i+1))))
		waitFor(name)
	}
}

// Deployments keep releases beside each other and a link to the current one.
func TestLinkedDirectory(t *testing.T) {
	dir := t.TempDir()
	for _, release := range []string{"r1", "r2"} {
		must(t, os.Mkdir(filepath.Join(dir, release), 0o755))
		write(t, filepath.Join(dir, release, "elbow.yaml"), text(release))
	}
	current := filepath.Join(dir, "current")
	must(t, os.Symlink("r1", current))
	waitFor := run(t, filepath.Join(current, "elbow.yaml"), never)
	waitFor("r1")
	must(t, os.Symlink("r2", current+"~"))
	must(t, os.Rename(current+"~", current))
	waitFor("r2")
	write(t, filepath.Join(dir, "r2", "elbow.yaml"), text("r2b"))
	waitFor("r2b")
}

// Files that come to match an include pattern, and files of other directories.
func TestIncludes(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o755))
	path := filepath.Join(dir, "elbow.yaml")
	include := "version: 1\ninclude: [conf.d/*.yaml]\n"
	part := "load_balancers: [{name: NAME, listeners: []}]\n"
	write(t, path, include+"load_balancers: []\n")
	waitFor := run(t, path, never)
	waitFor()
	write(t, filepath.Join(dir, "conf.d", "b.yaml"), "load_balancers: [{name: b, listeners: []}]\n")
	waitFor("b")
	write(t, filepath.Join(dir, "conf.d", "a.yaml"), "load_balancers: [{name: a, listeners: []}]\n")
	waitFor("a", "b")
	write(t, filepath.Join(dir, "conf.d", "a.yaml"), part)
	waitFor("NAME", "b")
	must(t, os.Remove(filepath.Join(dir, "conf.d", "a.yaml")))
	waitFor("b")
}

// Neither what an editor leaves beside the files, nor a directory whose name is
// a pattern itself, gets in the way of a pattern.
func TestPatternInOddDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "[1]*")
	must(t, os.MkdirAll(filepath.Join(dir, "conf.d"), 0o755))
	path := filepath.Join(dir, "elbow.yaml")
	write(t, path, "version: 1\ninclude: [conf.d/*.yaml]\nload_balancers: []\n")
	waitFor := run(t, path, never)
	waitFor()
	must(t, os.Symlink("somebody@host.1234", filepath.Join(dir, "conf.d", ".#a.yaml")))
	write(t, filepath.Join(dir, "conf.d", "a.yaml"), "load_balancers: [{name: a, listeners: []}]\n")
	waitFor("a")
}

// Without a watch, here because the directory is not there yet, the comparison
// from time to time finds the change.
func TestPoll(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "late")
	path := filepath.Join(dir, "elbow.yaml")
	waitFor := run(t, path, 10*time.Millisecond)
	waitFor("rejected")
	must(t, os.Mkdir(dir, 0o755))
	write(t, path, text("one"))
	waitFor("one")
}

// A directory that is noisy all the time must not put off a change for ever.
func TestNoisyDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "elbow.yaml")
	write(t, path, text("one"))
	waitFor := run(t, path, never)
	waitFor("one")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				_ = os.WriteFile(filepath.Join(dir, "access.log"), []byte(strconv.Itoa(i)), 0o644)
			}
		}
	}()
	write(t, path, text("two"))
	waitFor("two")
	close(stop)
	<-stopped
}

// Only content counts as a change.
func TestChanged(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "elbow.yaml"), filepath.Join(dir, "conf.d", "a.yaml")
	must(t, os.Mkdir(filepath.Join(dir, "conf.d"), 0o755))
	write(t, path, text("one")+"include: [conf.d/*.yaml]\n")
	s := New(path, nil)
	if s.changed() {
		t.Error("changed before anything was read")
	}
	if _, errs := s.Load(nil); errs != nil {
		t.Fatal(errs)
	}
	f := func(what string, want bool, do func()) {
		t.Helper()
		do()
		if got := s.changed(); got != want {
			t.Errorf("%s: changed is %v", what, got)
		}
		if s.changed() {
			t.Errorf("%s: changed twice", what)
		}
	}
	f("nothing", false, func() {})
	f("same content", false, func() { write(t, path, text("one")+"include: [conf.d/*.yaml]\n") })
	f("other time", false, func() { must(t, os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0))) })
	f("unrelated file", false, func() { write(t, filepath.Join(dir, "other.yaml"), "x") })
	f("new file of a pattern", true, func() { write(t, other, "") })
	if _, errs := s.Load(nil); errs != nil {
		t.Fatal(errs)
	}
	f("nothing after load", false, func() {})
	f("content of an included file", true, func() { write(t, other, "# more") })
	f("back", true, func() { write(t, other, "") })
	f("removed", true, func() { must(t, os.Remove(path)) })
	f("a directory instead", true, func() { must(t, os.Mkdir(path, 0o755)) })
}

// A file that ${file:…} names is part of the configuration.
func TestValueFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "elbow.yaml")
	must(t, os.Mkdir(filepath.Join(dir, "secrets"), 0o755))
	name := filepath.Join(dir, "secrets", "name")
	write(t, name, "one\n")
	write(t, path, text("${file:secrets/name}"))
	waitFor := run(t, path, never)
	waitFor("one")
	write(t, name, "two\n")
	waitFor("two")
}

// A file that ${file:…} names may come later than the configuration.
func TestLateValueFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "elbow.yaml")
	must(t, os.Mkdir(filepath.Join(dir, "secrets"), 0o755))
	write(t, path, text("${file:secrets/name}"))
	waitFor := run(t, path, never)
	waitFor("rejected")
	write(t, filepath.Join(dir, "secrets", "name"), "one\n")
	waitFor("one")
}

// A directory that another one replaces, or that is removed and made anew.
func TestReplacedDirectory(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "elbow.yaml")
	conf := filepath.Join(dir, "conf.d")
	publish := func(into, name string) {
		must(t, os.Mkdir(into, 0o755))
		write(t, filepath.Join(into, "a.yaml"), "load_balancers: [{name: "+name+", listeners: []}]\n")
	}
	publish(conf, "one")
	write(t, path, "version: 1\ninclude: [conf.d/*.yaml]\n")
	waitFor := run(t, path, never)
	waitFor("one")
	publish(conf+".new", "two")
	must(t, os.Rename(conf, conf+".old"))
	must(t, os.Rename(conf+".new", conf))
	waitFor("two")
	write(t, filepath.Join(conf, "a.yaml"), "load_balancers: [{name: three, listeners: []}]\n")
	waitFor("three")
	must(t, os.RemoveAll(conf))
	publish(conf, "four")
	waitFor("four")
	write(t, filepath.Join(conf, "a.yaml"), "load_balancers: [{name: five, listeners: []}]\n")
	waitFor("five")
}

// Of many writes in a row the last one counts, however they fall.
func TestManyWrites(t *testing.T) {
	path := filepath.Join(t.TempDir(), "elbow.yaml")
	write(t, path, text("n"))
	waitFor := run(t, path, never)
	waitFor("n")
	for round := range 5 {
		for i := range 200 {
			write(t, path, text("n"+strconv.Itoa(i)))
		}
		last := "last" + strconv.Itoa(round)
		write(t, path, text(last))
		waitFor(last)
	}
}

// A set of files that is another one whenever it is read: what counts in the end
// is the last.
func TestRestlessIncludes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "elbow.yaml")
	write(t, path, text("one")+"include: ['${NAME}']\n")
	n := 0
	last := ""
	env := func(string) (string, bool) {
		n++
		last = filepath.Join(dir, strconv.Itoa(n)+".yaml")
		return last, os.WriteFile(last, nil, 0o644) == nil
	}
	s := New(path, nil)
	if _, errs := s.Load(env); errs != nil {
		t.Fatal(errs)
	}
	s.changed() // the last file was not hashed before it was read
	write(t, last, "# more")
	if !s.changed() {
		t.Errorf("a change of %s, the file included last, is not seen", last)
	}
}

// What could not be watched is forgotten with its directory.
func TestWatcherForgets(t *testing.T) {
	w := newWatcher(zap.NewNop())
	defer w.close()
	for i := range 3 {
		w.set([]string{filepath.Join(t.TempDir(), strconv.Itoa(i))})
		w.set([]string{t.TempDir()})
	}
	if len(w.failed) != 0 {
		t.Errorf("remembers %v", w.failed)
	}
}
