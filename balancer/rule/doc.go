// Package rule finds the first rule of a listener that a request matches, and
// builds the answers that need no target.
//
// [Compile] turns the rules of one listener, sorted by ascending priority, into
// a [Set]. [Set.Match] then returns the index of the first rule all of whose
// conditions hold, or -1 for the default rule. The result is exactly that of
// trying the rules one after the other; the index only avoids trying those that
// cannot match. A Set never changes, takes no lock and allocates nothing.
//
// # How a rule is found
//
// The host decides first. Hosts without wildcards are keys of a hash map, and
// so are the literal endings of patterns such as *.example.com, cut at a dot;
// every other host pattern, and rules without a host condition, share one
// bucket. Inside each bucket the literal beginning of the path pattern, up to
// its first wildcard, is a key of a radix trie. A request reaches at most one
// bucket for its whole host, one for each dot in it and the shared one; walking
// each trie along the path yields lists of candidates sorted by priority. The
// lists are merged and the candidates tried in that order, so the first that
// matches is the answer and nothing behind it is looked at.
//
// # What it costs
//
// With h the length of the host, d the dots in it, p the length of the path and
// k the number of candidate lists (at most p+1 for each bucket, in practice one
// to five):
//
//	Match = O(h) + O(d) map lookups + O(d·p) trie walk + O(k) for each candidate tried
//
// The number of rules does not appear. Candidates are rules whose host and
// literal path prefix agree with the request, so what grows with the rules are
// only those the index cannot tell apart: rules without host and path (method,
// header, query string or source address alone), regexes, patterns that begin
// with a wildcard, and many rules on the same host and path. Of these, the ones
// before the answer are tried one by one. The benchmarks in bench_test.go show
// it for 10, 1,000 and 10,000 rules.
//
// Wildcards are matched segment by segment without backtracking over an earlier
// one, in time linear in the text: one step for each byte of it. Only a segment
// of more than 64 bytes between two stars, in a pattern where case does not
// matter or with a '?' in it, may take a step for each of its own bytes as well.
// Regexes are RE2 and linear in the text. Networks are found by binary search.
//
// # What the conditions mean
//
// The ELB guide (Listener rules, Rule conditions) defines them; conditions of a
// rule are ANDed, values of a condition ORed. Where the guide is silent:
//
//   - A query string is split at each '&' and each part at its first '='. A part
//     without '=' is a key with an empty value; an empty part is nothing.
//   - Query strings are compared as sent: nothing is percent-decoded, and '+' is
//     a plus. "%66oo" is therefore not "foo".
//   - In query-string patterns \* and \? stand for the characters themselves; a
//     backslash before anything else is a backslash. Other conditions know no
//     escape.
//   - Case is folded for ASCII only.
//   - A condition without values matches nothing; a rule without conditions
//     matches everything.
package rule
