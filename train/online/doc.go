// Package online trains a policy while a job runs under it. The loop around the job
// (docs/design.md, "The loop") has the policy as its controller, and every window is also
// learned from:
//
//	job --window--> policy --route--> job
//	         \--> replay --> learner --> policy
//
// A Training explores, learns, evaluates, saves and decides when to stop. It knows neither
// the form of the actions nor the kind of job: an Env is a job under one form of action,
// and a Learner improves the policy. Jobs in closed form or on a virtual clock (fluid,
// sim) wait for the learner, so a run is reproducible. Jobs on the wall clock (local,
// flink) do not wait: their learner runs in the background.
package online
