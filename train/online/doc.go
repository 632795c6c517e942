// Package online is the loop of docs/design.md, "The loop", with the policy that is
// being trained as the controller:
//
//	job --window--> policy --route--> job
//	         \--> replay --> trainer --> policy
//
// A Loop explores, learns, evaluates, saves and knows when to stop. It does not know
// which form of action is learned nor what kind of job runs: an Env is a job under one
// form of action, a Student what learns it. Jobs in closed form and on a virtual clock
// (fluid, sim) wait for the student, so that a run is the same every time; one on the
// wall clock (local) does not: its student learns in the background.
package online
