package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"testing"

	"dev.redditpulse/shared/client"
	"dev.redditpulse/shared/client/clienttest"
)

func TestBothKindsOfConnectionWorkOverTLS(t *testing.T) {
	t.Parallel()
	inner := clienttest.Start()
	t.Cleanup(inner.Close)
	srv := httptest.NewUnstartedServer(inner.Config.Handler)
	srv.EnableHTTP2 = true // which the feed must not be offered
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	c, err := client.New(client.Config{BaseURL: srv.URL, TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Login(t.Context(), "vera", "vera"); err != nil {
		t.Fatal(err)
	}
	until[client.Snapshot](follow(t, c.Hurry()))
}
