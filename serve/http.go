package serve

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// pageFiles is the live page, which loads nothing from other servers.
//
//go:embed page/live.html page/live.css page/live.js
var pageFiles embed.FS

// page is the data of the live page.
type page struct {
	Server     string  `json:"server"`
	Model      string  `json:"model"`
	Digest     string  `json:"digest"`
	Generation uint64  `json:"generation"`
	Ready      bool    `json:"ready"`
	Uptime     float64 `json:"uptime"` // seconds
	AllJobs    int     `json:"all_jobs"`
	Jobs       []View  `json:"jobs"` // the first of them by name
}

// Handler serves /metrics, /healthz, /readyz and the live page. If tokens is not nil, all
// but the two probes need one that is for any job: as a bearer token, or as the password of
// basic authentication, which browsers ask for. With onlyLoopback, requests must be for a loopback name, so that
// pages of other sites cannot read the server through a browser.
func (s *Server) Handler(tokens func() Tokens, onlyLoopback bool) (http.Handler, error) {
	files, err := fs.Sub(pageFiles, "page")
	if err != nil {
		return nil, err
	}
	began := s.now()
	open, closed := http.NewServeMux(), http.NewServeMux()
	open.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	open.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.ready(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	closed.Handle("GET /metrics", promhttp.HandlerFor(s.metrics.registry, promhttp.HandlerOpts{}))
	closed.HandleFunc("GET /jobs.json", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, s.page(began)) })
	closed.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, "live.html") })
	closed.Handle("GET /", http.FileServerFS(files))
	open.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if tokens != nil && !shows(r, tokens()) {
			s.metrics.refused.WithLabelValues("token").Inc()
			w.Header().Set("WWW-Authenticate", `Basic realm="saspart"`)
			http.Error(w, "a token is needed", http.StatusUnauthorized)
			return
		}
		closed.ServeHTTP(w, r)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if onlyLoopback && !loopback(host) {
			http.Error(w, "this server answers to names of this machine only", http.StatusMisdirectedRequest)
			return
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		open.ServeHTTP(w, r)
	}), nil
}

// shows reports whether a request has a token that is for any job.
func shows(r *http.Request, tokens Tokens) bool {
	shown := bearer(r.Header.Get("Authorization"))
	if _, password, ok := r.BasicAuth(); ok {
		shown = password
	}
	t := tokens.find(shown)
	return t != nil && len(t.Jobs) == 0
}

// mostShown is how many jobs the live page shows.
const mostShown = 64

func (s *Server) page(began time.Time) page {
	m := s.currentModel()
	p := page{
		Server: s.name, Model: m.Name, Digest: short(m.Digest), Generation: m.generation, Ready: s.open(),
		Uptime: s.now().Sub(began).Seconds(), Jobs: []View{},
	}
	jobs := s.list()
	p.AllJobs = len(jobs)
	for _, j := range jobs[:min(len(jobs), mostShown)] {
		p.Jobs = append(p.Jobs, j.current())
	}
	return p
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}
