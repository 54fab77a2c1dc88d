package desync

import (
	"math/big"
	"regexp"
	"strings"
)

// model is Classify once more: slow, by lists and regular expressions, one rule
// after the other in the order in which they count. The fuzzer holds Classify to
// it.
func model(head string) Reason {
	verdict := NoReason
	say := func(r Reason) {
		if r.Tier() > verdict.Tier() {
			verdict = r
		}
	}

	// Lines.
	type field struct{ name, value string }
	var fields []field
	lines := strings.SplitAfter(head, "\n")
	if len(lines) > 1 && lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	chop := func(l string) string {
		c := strings.TrimSuffix(l, "\n")
		if !strings.HasSuffix(c, "\r") {
			say(NonCrLfLineTermination)
			return c
		}
		return c[:len(c)-1]
	}
	method, uri, version := modelRequestLine(chop(lines[0]), say)
	if version >= "HTTP/2" {
		return NoReason
	}
	if strings.Trim(version, " \t") == "" {
		version = "HTTP/0.9"
	}
	latest := -1 // the field that a folded line continues
	if len(lines) == 1 {
		say(NonCrLfLineTermination)
	}
	for i, l := range lines[1:] {
		c := chop(l)
		if c == "" {
			break
		}
		name, value, colon := strings.Cut(c, ":")
		folded := strings.IndexAny(c, " \t") == 0
		ofType := latest >= 0 && asciiLower(fields[latest].name) == "content-type"
		switch {
		case !folded:
			fields = append(fields, field{name, value})
			if colon {
				latest = len(fields) - 1
			} else {
				say(MissingHeaderColon)
			}
		case ofType, latest >= 0 && !colon:
			fields = append(fields, field{fields[latest].name, name})
		default:
			fields = append(fields, field{name, value})
		}
		if folded && !ofType {
			say(MultilineHeader)
		}
		if !strings.HasSuffix(l, "\n") {
			say(PartialHeaderLine)
		} else if i == len(lines)-2 {
			say(MissingLastEmptyLine)
		}
	}

	// Fields, one by one.
	var codings, numbers []string
	for _, f := range fields {
		bad := strings.ContainsAny(f.name+f.value, "\r\n\x00")
		if bad {
			say(BadHeader)
		} else if !modelToken.MatchString(f.name) || modelControl.MatchString(f.value) {
			say(NonCompliantHeader)
		}
		if strings.Trim(f.name, " \t") == "" {
			say(EmptyHeader)
			continue
		}
		te, teExact := modelNear(f.name, modelTE, transferEncoding)
		cl, clExact := modelNear(f.name, modelCL, contentLength)
		if near := te || cl; near && !teExact && !clExact {
			if bad {
				continue
			}
			say(SuspiciousHeader)
		}
		if te {
			codings = append(codings, f.value)
		} else if cl {
			numbers = append(numbers, f.value)
		}
	}

	// Fields together, then method, version, URI.
	modelLengths(method, version, codings, numbers, say)
	if !modelToken.MatchString(method) {
		say(BadMethod)
	}
	switch v := strings.Trim(version, " \t"); {
	case v == "HTTP/0.9":
		say(NonCompliantVersion)
	case !modelVersion.MatchString(v):
		say(BadVersion)
	case v != version, v > "HTTP/1.1":
		say(NonCompliantVersion)
	}
	if strings.ContainsAny(uri, "\r\n\x00") {
		say(BadUri)
	}
	if strings.ContainsFunc(uri, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		say(AmbiguousUri)
	}
	if strings.Contains(uri, " ") {
		say(SpaceInUri)
	}
	return verdict
}

var (
	modelToken   = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]*$")
	modelControl = regexp.MustCompile("[\x00-\x08\x0a-\x1f\x7f]")
	modelVersion = regexp.MustCompile(`^HTTP/1\.[0-9]$`)

	// Names are matched as Latin-1, a rune for a byte.
	modelTE = modelName(transferEncoding)
	modelCL = modelName(contentLength)
)

// modelName makes the pattern of the names that are near to want: its letters
// with blanks behind them and, around the hyphen and at both ends, anything that
// is no letter or digit; or a beginning of that with only such bytes behind it,
// the first of which is no blank.
func modelName(want string) *regexp.Regexp {
	const junk, blanks = `[^0-9A-Za-z]*`, "[\x00- ]*"
	tail := junk
	for i := len(want) - 1; i >= 0; i-- {
		c := want[i]
		letter, other := "(?i:"+string(c)+")", "[^0-9A-Za-z\x00- ]"
		switch c {
		case '-':
			tail = "[^\x00- ]" + junk + tail // any one byte may stand for the hyphen
			continue
		case 's':
			letter, other = "(?:[sS]|\u00c5\u00bf)", "(?:[^0-9A-Za-z\x00- \u00c5]|\u00c5[^0-9A-Za-z\u00bf]|\u00c5$)"
		case 'i':
			letter, other = "(?:[iI]|\u00c4\u00b1)", "(?:[^0-9A-Za-z\x00- \u00c4]|\u00c4[^0-9A-Za-z\u00b1]|\u00c4$)"
		}
		tail = letter + blanks + tail
		if i > 0 && want[i-1] != '-' {
			tail = "(?:" + tail + "|" + other + junk + ")"
		}
	}
	return regexp.MustCompile("^" + junk + tail + "$")
}

func modelNear(name string, pattern *regexp.Regexp, want string) (near, same bool) {
	if len(name) < len(want) {
		return false, false
	}
	latin := make([]rune, len(name))
	for i := range len(name) {
		latin[i] = rune(name[i])
	}
	return pattern.MatchString(string(latin)), asciiLower(name) == want
}

func asciiLower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func modelRequestLine(l string, say func(Reason)) (method, uri, version string) {
	method, rest, ok := strings.Cut(l, " ")
	if !ok || rest == "" || rest == " " {
		say(MissingUri)
		return method, "", ""
	}
	// The version begins behind the last space before the last token byte, or
	// behind the first byte if that is a space.
	last := strings.LastIndexAny(rest, "-!#$%&'*+.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	k := -1
	if last >= 0 {
		k = strings.LastIndexByte(rest[:last], ' ')
	}
	if k < 0 && rest[0] == ' ' {
		k = 0
	}
	switch {
	case k >= 0:
		return method, rest[:k], rest[k+1:]
	case strings.HasPrefix(rest, "HTTP/1."):
		say(MissingUri)
		return method, "", rest
	}
	return method, rest, ""
}

func modelLengths(method, version string, codings, numbers []string, say func(Reason)) {
	if len(codings) > 0 && version <= "HTTP/1.0" {
		say(UndefinedTransferEncodingSemantics)
		return
	}
	if len(numbers) > 0 && version < "HTTP/1.0" {
		say(UndefinedContentLengthSemantics)
		return
	}
	before := ""
	for _, v := range codings {
		for _, item := range strings.Split(v, ",") {
			item, _, _ = strings.Cut(item, ";")
			item = asciiLower(strings.Trim(item, " \t"))
			switch item {
			case "chunked", "compress", "deflate", "gzip", "identity":
				if item == "chunked" && before == item {
					say(MultipleTransferEncodingChunked)
				}
				before = item
			default:
				say(BadTransferEncoding)
			}
		}
	}
	var first *big.Int
	for _, v := range numbers {
		v = strings.Trim(v, " \t")
		n, ok := new(big.Int).SetString("0"+v, 10)
		switch {
		case !ok || strings.ContainsAny(v, "+-_") || n.BitLen() > 64:
			say(BadContentLength)
		case first == nil:
			first = n
		case n.Cmp(first) != 0:
			say(MultipleContentLength)
		default:
			say(DuplicateContentLength)
		}
	}
	if method == "GET" || method == "HEAD" {
		if len(codings) > 0 {
			say(UndefinedTransferEncodingSemantics)
		}
		if first != nil && first.Sign() == 0 {
			say(GetHeadZeroContentLength)
		} else if first != nil {
			say(UndefinedContentLengthSemantics)
		}
	}
	if len(codings) > 0 && first != nil {
		say(BothTeClPresent)
	}
}
