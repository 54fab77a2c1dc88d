package rule

import (
	"regexp"
	"strings"
	"testing"

	"github.com/elbow-lb/elbow/config"
)

func TestRewrite(t *testing.T) {
	f := func(regex, replace, text, want string) {
		t.Helper()
		r := compileRewrite(&config.Rewrite{Regex: regexp.MustCompile(regex), Replace: replace})
		got, matched := r.Append([]byte("before:"), []byte(text), 1<<20)
		if !matched {
			got = append(got, "no match"...)
		}
		if string(got) != "before:"+want {
			t.Errorf("%s -> %s on %s: got %s, want before:%s", regex, replace, text, got, want)
		}
	}
	// The examples of the ALB guide, "Transforms for listener rules".
	f(`^mywebsite-(.+).com$`, `internal.dev.$1.myweb.com`, "mywebsite-example.com", "internal.dev.example.myweb.com")
	f(`^/dp/([A-Za-z0-9]+)/?$`, `/product.php?id=$1`, "/dp/B09G3HRMW", "/product.php?id=B09G3HRMW")

	f(`^/api/(.*)$`, `/$1`, "/other", "no match")
	f(`/v1/`, `/v2/`, "/a/v1/b/v1/?x", "/a/v2/b/v1/?x") // the first
	f(`^/api`, ``, "/api/x", "/x")
	f(`^(/[^?]*)\?(.*)$`, `$1/$2?$1`, "/a?b=c", "/a/b=c?/a")
	f(`^/(a)?(b)?`, `/<$1$2>`, "/b", "/<b>") // a group that took no part
	f(`^/(.)(.)(.)(.)(.)(.)(.)(.)(.)(.)`, `/$9$8$7$6$5$4$3$2$1$10`, "/abcdefghij", "/ihgfedcbaa0")
	f(`^/`, `/$`, "/x", "/$x")
	f(`^/`, `/$$a$x${1}$`, "/", "/$$a$x${1}$")
	f(`$`, `?x=1`, "/a", "/a?x=1") // an empty match
	f(`()`, `$1`, "/a", "/a")
}

// A replacement may name a group often: what it makes stays within bounds.
func TestRewriteIsBounded(t *testing.T) {
	r := compileRewrite(&config.Rewrite{Regex: regexp.MustCompile(`^/(.*)$`), Replace: strings.Repeat("$1", 512)})
	const limit, text = 16 << 10, 16 << 10
	got, _ := r.Append(nil, []byte("/"+strings.Repeat("x", text)), limit)
	if len(got) <= limit || len(got) > limit+2*text {
		t.Errorf("%d bytes", len(got))
	}
}

func TestCompileTransforms(t *testing.T) {
	if CompileTransforms(&config.Transforms{}) != nil {
		t.Error("something for nothing")
	}
	x := CompileTransforms(&config.Transforms{URL: &config.Rewrite{Regex: regexp.MustCompile("a"), Replace: "b"}})
	if x == nil || x.Host != nil || x.URL == nil {
		t.Errorf("%+v", x)
	}
}
