// Package sticky makes and reads the cookies that keep a client with its
// target, or with its target group: AWSALB, AWSALBAPP-0 and AWSALBTG of an
// Application Load Balancer, and their twins for cross-origin requests.
//
// A cookie holds a [Token], sealed with AES-256-GCM. Nothing is remembered here:
// whoever has the same [Keys] reads it, so that any node honours the cookies
// of any other and a restart loses none. A cookie that was changed, is
// too old, or was sealed with a key that has been retired is no cookie: the request
// gets a new target, never an error.
//
// Targets and groups are known in a token by a hash of their names, so that a
// cookie means the same on each node and after each reload, and tells a client
// nothing.
package sticky
