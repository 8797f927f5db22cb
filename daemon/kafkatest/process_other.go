//go:build unix && !linux

package kafkatest

import "syscall"

// dieWithParent has no means here: brokers of a killed test run on.
func dieWithParent(*syscall.SysProcAttr) {}
