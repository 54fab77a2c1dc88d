package config

import (
	"fmt"
	"strings"
)

// maxResponseHeader bounds the value of a response header attribute, in bytes.
const maxResponseHeader = 1024

// responseHeaderRegistry is the attributes that set a header of all responses
// (ALB guide, "Header modification").
var responseHeaderRegistry = []Attribute{
	responseHeader("strict_transport_security", "Strict-Transport-Security", nil, HTTPS),
	responseHeader("access_control_allow_origin", "Access-Control-Allow-Origin", nil),
	responseHeader("access_control_allow_methods", "Access-Control-Allow-Methods", nil),
	responseHeader("access_control_allow_headers", "Access-Control-Allow-Headers", nil),
	responseHeader("access_control_allow_credentials", "Access-Control-Allow-Credentials", oneOf("true")),
	responseHeader("access_control_expose_headers", "Access-Control-Expose-Headers", nil),
	responseHeader("access_control_max_age", "Access-Control-Max-Age", maxAge),
	responseHeader("content_security_policy", "Content-Security-Policy", nil),
	responseHeader("x_content_type_options", "X-Content-Type-Options", oneOf("nosniff")),
	responseHeader("x_frame_options", "X-Frame-Options", frameOptions),
}

// responseHeader is the attribute that sets the header of that name. valid checks
// what is special to its value.
func responseHeader(word, name string, valid func(string) string, protocols ...Protocol) Attribute {
	a := Attribute{
		Key: "routing.http.response." + word + ".header_value", Types: forA, Protocols: protocols,
		Kind: TextAttribute, Max: maxResponseHeader,
		Doc: "The " + name + " header of all responses, of targets and of the load balancer, in place of any that a target sent. Empty leaves responses as they are.",
		valid: func(text string) string {
			if problem := headerValue(text); problem != "" || valid == nil {
				return problem
			}
			return valid(text)
		},
		set: func(a *attributeSet, v attributeValue) {
			if v.text != "" {
				a.listener.ResponseHeaders = append(a.listener.ResponseHeaders, Header{name, v.text})
			}
		},
	}
	if len(protocols) > 0 { // for HTTPS only, which there is not yet
		a.NotYet, a.set = true, nil
	}
	return a
}

// headerValue is what can stand in any header: a CR or LF would begin another one.
func headerValue(s string) string {
	if strings.TrimSpace(s) != s {
		return "must not begin or end with a blank"
	}
	for _, r := range s {
		if r < ' ' || r > '~' {
			return fmt.Sprintf("must be made of visible ASCII characters and blanks; it holds %q", r)
		}
	}
	return ""
}

func oneOf(words ...string) func(string) string {
	return func(s string) string {
		for _, w := range words {
			if strings.EqualFold(s, w) {
				return ""
			}
		}
		return "must be " + orList(words)
	}
}

// maxAge is a number of seconds; -1 turns caching off.
func maxAge(s string) string {
	if n, ok := parseInteger(s); !ok || n < -1 {
		return "must be a whole number of seconds, or -1"
	}
	return ""
}

// frameOptions is RFC 7034's syntax.
func frameOptions(s string) string {
	word, origin, _ := strings.Cut(s, " ")
	switch strings.ToUpper(word) {
	case "DENY", "SAMEORIGIN":
		if origin == "" {
			return ""
		}
	case "ALLOW-FROM":
		if origin != "" && !strings.Contains(origin, " ") {
			return ""
		}
	}
	return "must be DENY, SAMEORIGIN or ALLOW-FROM and an origin"
}
