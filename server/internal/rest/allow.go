package rest

import "net/http"

// A probe is a ResponseWriter that takes no answer: it finds out whether a request has a handler, without running it.
type probe struct{ found bool }

func (*probe) Header() http.Header         { return http.Header{} }
func (*probe) Write(b []byte) (int, error) { return len(b), nil }
func (*probe) WriteHeader(int)             {}

// allowed lists the methods that a request's path is served for. api must know a probe when it sees one.
func allowed(api http.Handler, r *http.Request) []string {
	var methods []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete} {
		if method == r.Method {
			continue // it is why we are here
		}
		asked, p := *r, &probe{}
		asked.Method = method
		if api.ServeHTTP(p, &asked); p.found {
			methods = append(methods, method)
		}
	}
	return methods
}
