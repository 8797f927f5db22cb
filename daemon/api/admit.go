package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"dev.redditpulse/shared/pulse"
)

// maxAuthorization bounds the Authorization header, in bytes.
const maxAuthorization = 8 << 10

// bearerProtocol announces, in Sec-WebSocket-Protocol, that the next entry is an
// access token: browsers cannot set other headers on a socket.
const bearerProtocol = "bearer"

// admit finds out who is asking and whether they may.
func (s *server) admit(ep *endpoint, r *http.Request) (*http.Request, error) {
	if ep.role == anyone {
		return r, nil
	}
	token, err := bearerToken(r)
	if err != nil {
		return r, err
	}
	id, err := s.Signer.VerifyAccess(token)
	if err == nil && s.sessions.ended(r.Context(), id.Session) {
		err = pulse.Errorf(pulse.Unauthenticated, "the token is not valid")
	}
	if err != nil {
		p := s.translate(r.Context(), err)
		if p.Status == http.StatusUnauthorized {
			p.header.Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		}
		return r, p
	}
	if !id.Role.May(ep.role) {
		return r, pulse.Errorf(pulse.Forbidden, "this needs the role %s; you are %s", ep.role, id.Role)
	}
	return r.WithContext(context.WithValue(r.Context(), identityKey, id)), nil
}

// bearerToken takes the access token from the Authorization header or, on a
// socket, from the pair of subprotocols, where it is removed.
func bearerToken(r *http.Request) (string, error) {
	protocolToken, paired := takeProtocolToken(r)
	headers := r.Header.Values("Authorization")
	switch {
	case len(headers) == 0 && paired:
		return protocolToken, nil
	case len(headers) == 0:
		return "", pulse.Errorf(pulse.Unauthenticated, "send a token: Authorization: Bearer <access token>; "+
			"POST /api/token/ gives one")
	case len(headers) > 1:
		return "", pulse.Errorf(pulse.Unauthenticated, "more than one Authorization header")
	case len(headers[0]) > maxAuthorization:
		return "", fail(http.StatusRequestHeaderFieldsTooLarge, pulse.Invalid,
			"the Authorization header is longer than 8192 bytes")
	}
	scheme, token, ok := strings.Cut(headers[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", pulse.Errorf(pulse.Unauthenticated, "want Authorization: Bearer <access token>")
	}
	return token, nil
}

// takeProtocolToken removes the token from the offered subprotocols, so that it
// is neither echoed nor logged further on.
func takeProtocolToken(r *http.Request) (string, bool) {
	const name = "Sec-Websocket-Protocol"
	if !isUpgrade(r) || r.Header.Get(name) == "" {
		return "", false
	}
	offered := strings.Split(strings.Join(r.Header.Values(name), ","), ",")
	for i := range offered {
		offered[i] = strings.TrimSpace(offered[i])
	}
	at := slices.Index(offered, bearerProtocol)
	if at < 0 || at+1 >= len(offered) {
		return "", false
	}
	token := offered[at+1]
	r.Header.Set(name, strings.Join(slices.Delete(offered, at+1, at+2), ", "))
	return token, true
}

func isUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet &&
		hasToken(r.Header.Values("Connection"), "upgrade") &&
		hasToken(r.Header.Values("Upgrade"), "websocket")
}

func hasToken(values []string, want string) bool {
	for _, value := range values {
		for part := range strings.SplitSeq(value, ",") {
			if strings.EqualFold(strings.TrimSpace(part), want) {
				return true
			}
		}
	}
	return false
}
