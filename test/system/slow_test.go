package system

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"
)

// slowhttptest attacks in its four modes at once (slow heads, slow bodies, slow
// readers, overlapping ranges) while other clients go about their business.
func TestSlowAttacks(t *testing.T) {
	t.Parallel()
	attacker := program(t, "slowhttptest")
	dir := filepath.Join(t.TempDir(), "files")
	mkdir(t, dir)
	randomFile(t, filepath.Join(dir, "large"), 4<<20)
	g := startGo(t, targetOptions{id: "t", files: dir})
	d := simple(t, once, g.addr)
	seconds := 20
	if testing.Short() {
		seconds = 8
	}
	each := scaled(1250)
	file := "http://" + d.addr + "/files/large"

	good := load{
		addr: d.addr, clients: 4, requests: scaled(10_000), call: getID,
		pause: func(int, int) time.Duration { return 2 * time.Millisecond },
	}.start(t)
	var attacks sync.WaitGroup
	for mode, args := range map[string][]string{
		"slow heads":   {"-H", "-i", "4", "-x", "24", "-t", "GET", "-u", "http://" + d.addr + "/id"},
		"slow bodies":  {"-B", "-i", "4", "-s", "8192", "-x", "10", "-t", "POST", "-u", "http://" + d.addr + "/echo"},
		"slow readers": {"-X", "-w", "512", "-y", "1024", "-n", "5", "-z", "32", "-k", "3", "-u", file},
		"ranges":       {"-R", "-a", "10", "-b", "3000", "-t", "HEAD", "-u", file},
	} {
		attacks.Go(func() {
			all := append(args, "-c", strconv.Itoa(each), "-r", strconv.Itoa(each/4+1), "-l", strconv.Itoa(seconds), "-p", "3")
			if out, err := exec.Command(attacker, all...).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%.2000s", mode, err, out)
			}
		})
	}
	most := 0.0
	over := make(chan struct{})
	go func() { attacks.Wait(); close(over) }()
	for attacked := true; attacked; {
		n, _ := d.metric(t, "elbow_active_connections")
		most = max(most, n)
		select {
		case <-over:
			attacked = false
		case <-time.After(200 * time.Millisecond): // how often somebody looks
		}
	}
	good.stop()
	done := good.done.Load()
	share := 100 * float64(done-int64(good.failed)) / float64(done)
	if share < 99.9 {
		t.Errorf("%.3f %% of %d good requests succeeded, want 99.9 %%; the first failures: %v", share, done, good.errs)
	}
	counts := ""
	for _, reason := range []string{"RequestHeadTimeout", "RequestBodyTooSlow", "ClientTooSlow"} {
		n, _ := d.metric(t, `elbow_refused_requests_total\{reason="`+reason+`"\}`)
		counts += fmt.Sprintf(" %s %.0f", reason, n)
	}
	t.Logf("S8: 4 attacks of %d connections for %d s, up to %.0f connections; %.3f %% of %d good requests succeeded;%s", each, seconds, most, share, done, counts)
}
