/* tickets: the keys of session tickets. */
#include "gateway/tls/tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(struct tls_ticket_key) == 80, "keys are given as bytes one behind the other");

int tls_tickets_make(struct tls_tickets *tickets)
{
    struct tls_ticket_key fresh[2];
    if (RAND_bytes((unsigned char *)fresh, sizeof fresh) != 1)
        return -1;
    tls_tickets_wipe(tickets);
    memcpy(tickets->keys, fresh, sizeof fresh);
    tickets->count = 2;
    OPENSSL_cleanse(fresh, sizeof fresh);
    return 0;
}

void tls_tickets_give(struct tls_tickets *tickets, const uint8_t *keys, size_t length)
{
    size_t count = length / sizeof *tickets->keys;
    tls_tickets_wipe(tickets);
    tickets->given = true;
    tickets->count = (unsigned)(count < TLS_TICKET_KEYS_MAX ? count : TLS_TICKET_KEYS_MAX);
    memcpy(tickets->keys, keys, tickets->count * sizeof *tickets->keys);
}

void tls_tickets_wipe(struct tls_tickets *tickets)
{
    OPENSSL_cleanse(tickets, sizeof *tickets);
}

static void rotate(struct tls_tickets *tickets, uint64_t now)
{
    struct tls_ticket_key fresh;
    if (tickets->given)
        return;
    if (tickets->made == 0)
        tickets->made = now;
    if (now - tickets->made < TLS_TICKET_ROTATION || RAND_bytes((unsigned char *)&fresh, sizeof fresh) != 1)
        return;
    tickets->keys[1] = tickets->keys[0];
    tickets->keys[0] = fresh;
    tickets->made = now;
    OPENSSL_cleanse(&fresh, sizeof fresh);
}

static int set_mac(EVP_MAC_CTX *mac, struct tls_ticket_key *key)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof key->mac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters);
}

static int seal(struct tls_ticket_key *key, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                EVP_MAC_CTX *mac)
{
    memcpy(name, key->name, sizeof key->name);
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1 ||
        EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 || set_mac(mac, key) != 1)
        return -1;
    return 1;
}

int tls_tickets_key(struct tls_tickets *tickets, uint64_t now, unsigned char *name, unsigned char *iv,
                    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    rotate(tickets, now);
    if (tickets->count == 0)
        return encrypt ? -1 : 0;
    if (encrypt)
        return seal(&tickets->keys[0], name, iv, cipher, mac);
    for (unsigned i = 0; i < tickets->count; i++) {
        struct tls_ticket_key *key = &tickets->keys[i];
        if (memcmp(name, key->name, sizeof key->name) != 0)
            continue;
        if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 || set_mac(mac, key) != 1)
            return -1;
        return i == 0 ? 1 : 2;
    }
    return 0;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

int tls_anchors_digest(SSL_CTX *context, uint8_t digest[32])
{
    STACK_OF(X509) *anchors = X509_STORE_get1_all_certs(SSL_CTX_get_cert_store(context));
    int count = anchors != NULL ? sk_X509_num(anchors) : 0;
    uint8_t(*each)[32] = calloc((size_t)count + 1, sizeof *each);
    bool done = anchors != NULL && each != NULL;
    for (int i = 0; done && i < count; i++)
        done = X509_digest(sk_X509_value(anchors, i), EVP_sha256(), each[i], NULL) == 1;
    if (done) {
        qsort(each, (size_t)count, sizeof *each, by_bytes);
        done = EVP_Digest(each, (size_t)count * sizeof *each, digest, NULL, EVP_sha256(), NULL) == 1;
    }
    free(each);
    sk_X509_pop_free(anchors, X509_free);
    return done ? 0 : -1;
}
