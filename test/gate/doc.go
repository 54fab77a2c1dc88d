// Package gate holds the load balancer to RFC 9110 and RFC 9112 where they meet
// hostile input: a corpus of raw messages, as data in testdata, and one runner.
//
// A [Case] is what a client sends and, where it matters, what a target answers,
// byte for byte, and which outcomes are acceptable. [Run] plays cases against a
// load balancer and returns what was seen on every wire; [Judge] compares. The
// runner is a raw client, and a raw [Target] that keeps every byte it receives
// and frames them with a reader that shares nothing with the product's.
//
// Whatever a case expects, it is held to this, the oracle for smuggling:
//
//   - what reaches the target is strictly valid HTTP/1, each request with one
//     reading;
//   - the target sees exactly the requests that the load balancer logged as
//     sent to it, in order, with the same request line, host and trace id; and
//     every final response has its line;
//   - the client's connection ends in a known state: the next request on it is
//     answered with its own answer, or it is closed;
//   - another client, afterwards, gets its own answer too.
//
// What the corpus expects is what the RFCs and our own documents demand; a case
// that fails is not bent but listed in known.txt until the product is mended, and
// the test fails as long as that list is not exactly the set of failures.
//
// The program in compare plays the same corpus against nginx and HAProxy.
package gate
