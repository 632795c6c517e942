// Package rest is a client of the REST interface of an Apache Flink cluster. It uploads a
// program, runs it as a job, and follows the job until it ends.
package rest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/saspart/saspart/internal/files"
)

// Timeouts of a request, and of one that moves a program or starts a job.
const (
	quick = 15 * time.Second
	slow  = 2 * time.Minute
)

// mostAnswer bounds what is read of an answer, in bytes.
const mostAnswer = 16 << 20

// Client is a client of one cluster. It is safe for concurrent use.
type Client struct {
	base string
	http http.Client
}

// CheckAddress returns an error if an address cannot be that of a REST interface.
func CheckAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return fmt.Errorf("%q is not the address of a Flink cluster; it must be like http://127.0.0.1:8081", address)
	}
	return nil
}

// New returns a client of the cluster at an address such as http://127.0.0.1:8081.
func New(address string) *Client { return &Client{base: strings.TrimRight(address, "/")} }

// Address is the address of the cluster.
func (c *Client) Address() string { return c.base }

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Refusal is an error that the cluster answered with.
type Refusal struct {
	Code int    // HTTP status
	Text string // the innermost causes that Flink names
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("flink answers %d: %s", r.Code, r.Text) }

// Gone reports whether err says that the cluster does not know the job or the program.
func Gone(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && r.Code == http.StatusNotFound
}

// do sends a request and decodes the answer into to, which may be nil.
func (c *Client) do(ctx context.Context, patience time.Duration, method, where, kind string, body io.Reader, to any) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, c.base+where, body)
	if err != nil {
		return err
	}
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w", method, where, err)
	}
	if answer.StatusCode/100 != 2 {
		return &Refusal{answer.StatusCode, explain(text)}
	}
	if to == nil {
		return nil
	}
	if err := json.Unmarshal(text, to); err != nil {
		return fmt.Errorf("%s%s does not answer as Flink does; is it another service? %w", c.base, where, err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, where string, to any) error {
	return c.do(ctx, quick, http.MethodGet, where, "", nil, to)
}

func (c *Client) post(ctx context.Context, patience time.Duration, where string, from, to any) error {
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return c.do(ctx, patience, http.MethodPost, where, "application/json", bytes.NewReader(text), to)
}

// explain returns the text of an error: the innermost cause in the stack traces that Flink
// answers with.
func explain(text []byte) string {
	var answer struct{ Errors []string }
	if json.Unmarshal(text, &answer) != nil || len(answer.Errors) == 0 {
		line, _, _ := strings.Cut(strings.TrimSpace(string(text[:min(len(text), 500)])), "\n")
		return line + " (not an answer of Flink; is it another service?)"
	}
	return RootCause(strings.Join(answer.Errors, "\n"))
}

// Overview is the state of a cluster.
type Overview struct {
	Version      string `json:"flink-version"`
	TaskManagers int    `json:"taskmanagers"`
	TaskSlots    int    `json:"slots-total"`
	Free         int    `json:"slots-available"`
	Running      int    `json:"jobs-running"`
}

// Overview asks for the state of the cluster.
func (c *Client) Overview(ctx context.Context) (o Overview, err error) {
	return o, c.get(ctx, "/overview", &o)
}

// TaskManagers lists the IDs of the TaskManagers that are registered.
func (c *Client) TaskManagers(ctx context.Context) ([]string, error) {
	var answer struct{ TaskManagers []struct{ ID string } }
	err := c.get(ctx, "/taskmanagers", &answer)
	var ids []string
	for _, t := range answer.TaskManagers {
		ids = append(ids, t.ID)
	}
	return ids, err
}

// Upload sends a program, a jar file, and returns the cluster's name for it.
func (c *Client) Upload(ctx context.Context, file string) (program string, err error) {
	jar, err := files.Open(file)
	if err != nil {
		return "", fmt.Errorf("the program for Flink: %w", err)
	}
	defer jar.Close()
	// The body is written while it is sent, because a program may be large.
	r, w := io.Pipe()
	form := multipart.NewWriter(w)
	done := make(chan struct{})
	go func() {
		defer close(done)
		part, err := form.CreateFormFile("jarfile", filepath.Base(file))
		if err == nil {
			_, err = io.Copy(part, jar)
		}
		_ = w.CloseWithError(errors.Join(err, form.Close())) // never fails
	}()
	var answer struct{ Filename string }
	err = c.do(ctx, slow, http.MethodPost, "/jars/upload", form.FormDataContentType(), r, &answer)
	_ = r.Close() // ends the writer if not all was read; never fails
	<-done
	if err != nil {
		return "", fmt.Errorf("upload %s: %w", file, err)
	}
	return path.Base(answer.Filename), nil
}

// Delete removes an uploaded program.
func (c *Client) Delete(ctx context.Context, program string) error {
	return c.do(ctx, quick, http.MethodDelete, "/jars/"+url.PathEscape(program), "", nil, nil)
}

// Run says how to run a program.
type Run struct {
	EntryClass    string            `json:"entryClass,omitempty"`
	Args          []string          `json:"programArgsList,omitempty"`
	JobID         string            `json:"jobId,omitempty"` // 32 hexadecimal digits; "": the cluster chooses one
	Savepoint     string            `json:"savepointPath,omitempty"`
	Parallelism   int               `json:"parallelism,omitempty"`
	Configuration map[string]string `json:"flinkConfiguration,omitempty"`
}

// Run starts an uploaded program and returns the ID of its job.
func (c *Client) Run(ctx context.Context, program string, r Run) (job string, err error) {
	var answer struct{ JobID string }
	err = c.post(ctx, slow, "/jars/"+url.PathEscape(program)+"/run", r, &answer)
	return answer.JobID, err
}
