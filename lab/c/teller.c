/*
 * A transactional producer on librdkafka, whose transactions are of version 0 or 1 (it knows nothing of KIP-890).
 *
 *   teller BOOTSTRAP TRANSACTIONAL_ID ACKNOWLEDGED RECORDS ABORT_PERCENT CODEC RECORDS_PER_SECOND VALUE_BYTES TOPIC:PARTITIONS...
 *
 * Runs until standard input says "stop". What it writes, logs and tells is what lab/java does: headers as in Workers.java,
 * acknowledgements as in lab/src/acknowledged.rs, counters on standard output as in Load.java.
 */
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "sha256.h"

enum { RECORDS = 64, TOPICS = 16, COMPLAINTS = 32, TRANSACTION_TIMEOUT_MS = 15000 };

struct topic {
    char *name;
    int partitions;
};

/* A record of the running transaction, until its end is known. */
struct record {
    const char *topic;
    int partition;
    int64_t offset, timestamp;
    char key[17], hash[33];
    int is_acknowledged;
};

static const char *bootstrap, *id, *codec;
static int count, abort_percent, value_bytes, topic_count;
static double records_per_second;
static struct topic topics[TOPICS];
static FILE *acknowledged;
static struct record records[RECORDS];
static long acknowledged_count, committed_count, aborted_count, error_count;
static int64_t began_ms, told_ms;

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Each complaint is told once. */
static void complain(const char *action, const char *reason) {
    static char told[COMPLAINTS][128];
    char line[512], *at = line;
    error_count++;
    snprintf(line, sizeof line, "%s: %s: %s", id, action, reason);
    for (; *at; at++)
        if (*at == '"' || *at == '\\' || (unsigned char)*at < ' ')
            *at = '\'';
    for (int i = 0; i < COMPLAINTS; i++) {
        if (told[i][0] == 0) {
            snprintf(told[i], sizeof told[i], "%.127s", line);
            printf("{\"complaint\":\"%s\"}\n", line);
            fflush(stdout);
            return;
        }
        if (strncmp(told[i], line, sizeof told[i] - 1) == 0)
            return;
    }
}

static void tell_counters(void) {
    printf("{\"counters\":{\"elapsed_ms\":%lld,\"acknowledged\":%ld,\"committed\":%ld,\"aborted\":%ld,\"errors\":%ld}}\n",
           (long long)(now_ms() - began_ms), acknowledged_count, committed_count, aborted_count, error_count);
    fflush(stdout);
}

/* Whether standard input said that this is to end; if whoever started it is gone, it ends at once. */
static int is_stopping(void) {
    static int stopping = 0;
    struct pollfd input = {0, POLLIN, 0};
    char text[16];
    if (!stopping && poll(&input, 1, 0) > 0) {
        if (read(0, text, sizeof text) <= 0)
            _exit(137);
        stopping = 1;
    }
    return stopping;
}

static void hash_field(struct sha256 *hash, const void *bytes, int size) {
    uint8_t length[4] = {(uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size};
    sha256_add(hash, length, 4);
    if (size > 0)
        sha256_add(hash, bytes, (size_t)size);
}

static void hash_end(struct sha256 *hash, int size, char *hex) {
    uint8_t digest[32];
    sha256_end(hash, digest);
    for (int i = 0; i < size; i++)
        sprintf(hex + 2 * i, "%02x", digest[i]);
}

static void on_delivery(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    struct record *record = message->_private;
    (void)client, (void)opaque;
    if (message->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        record->offset = message->offset;
        record->is_acknowledged = 1;
        acknowledged_count++;
    }
}

/* Sends one record and remembers it in `record`. */
static rd_kafka_error_t *send_record(
    rd_kafka_t *client, struct record *record, const char *tag, const struct topic *topic, int partition, long amount) {
    char key[32], amount_text[24], value[4096];
    int size = value_bytes > 0 ? rand() % (2 * value_bytes > 4096 ? 4096 : 2 * value_bytes) : 0;
    struct sha256 hash;
    for (int i = 0; i < size; i++)
        value[i] = i < size / 2 ? "and he saw the gate of the law. "[i % 32] : (char)rand();
    snprintf(key, sizeof key, "account-%d", rand() % 1000);
    snprintf(amount_text, sizeof amount_text, "%ld", amount);
    *record = (struct record){.topic = topic->name, .partition = partition, .timestamp = now_ms()};
    sha256_begin(&hash);
    hash_field(&hash, key, (int)strlen(key));
    hash_end(&hash, 8, record->key);
    const char *headers[2][2] = {{"maxbrod-amount", amount_text}, {"maxbrod-transaction", tag}};
    sha256_begin(&hash);
    hash_field(&hash, key, (int)strlen(key));
    hash_field(&hash, value, size);
    for (int i = 0; i < 2; i++)
        for (int part = 0; part < 2; part++)
            hash_field(&hash, headers[i][part], (int)strlen(headers[i][part]));
    hash_end(&hash, 16, record->hash);
    rd_kafka_vu_t arguments[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = topic->name},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = partition},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {key, strlen(key)}},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {value, (size_t)size}},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = record->timestamp},
        {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {headers[0][0], headers[0][1], (ssize_t)strlen(headers[0][1])}},
        {.vtype = RD_KAFKA_VTYPE_HEADER, .u.header = {headers[1][0], headers[1][1], (ssize_t)strlen(headers[1][1])}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = record},
    };
    return rd_kafka_produceva(client, arguments, sizeof arguments / sizeof *arguments);
}

/* Logs the records of a transaction that ended: C committed, X aborted, U not known. */
static void log_ended(const char *tag, char outcome) {
    for (int i = 0; i < count; i++)
        if (records[i].is_acknowledged)
            fprintf(acknowledged, "%s\t%d\t%lld\t%lld\t%s\t%s\t%c\t%s\t%lld\n", records[i].topic, records[i].partition,
                    (long long)records[i].offset, (long long)records[i].timestamp, records[i].key, records[i].hash,
                    outcome, tag, (long long)now_ms());
    fflush(acknowledged);
}

/* Complains about an error and frees it; whether there was none. */
static int is_fine(rd_kafka_error_t *error, const char *action) {
    if (!error)
        return 1;
    complain(action, rd_kafka_error_string(error));
    rd_kafka_error_destroy(error);
    return 0;
}

static int send_all(rd_kafka_t *client, const char *tag) {
    long sum = 0;
    const struct topic *first = NULL;
    int first_partition = 0;
    for (int i = 0; i < count; i++) {
        const struct topic *topic = &topics[rand() % topic_count];
        int partition = rand() % topic->partitions;
        while (i == 1 && topic == first && partition == first_partition) {
            topic = &topics[rand() % topic_count];
            partition = rand() % topic->partitions;
        }
        if (i == 0) {
            first = topic;
            first_partition = partition;
        }
        long amount = i == count - 1 ? -sum : 1 + rand() % 1000;
        sum += amount;
        if (!is_fine(send_record(client, &records[i], tag, topic, partition, amount), "sending"))
            return 0;
    }
    return 1;
}

/* Runs one transaction; whether the client can go on. */
static int transact(rd_kafka_t *client, int64_t number) {
    char tag[256], outcome = 'X';
    int goes_on;
    snprintf(tag, sizeof tag, "%s/%lld/%d", id, (long long)number, count);
    memset(records, 0, sizeof records);
    if (!is_fine(rd_kafka_begin_transaction(client), "beginning"))
        return 0;
    int commits = send_all(client, tag) && rand() % 100 >= abort_percent;
    rd_kafka_resp_err_t flushed = rd_kafka_flush(client, 20000);
    if (flushed)
        complain("flushing", rd_kafka_err2str(flushed));
    if (commits && !flushed) {
        rd_kafka_error_t *error = rd_kafka_commit_transaction(client, 30000);
        while (error && rd_kafka_error_is_retriable(error) && !is_stopping()) {
            rd_kafka_error_destroy(error);
            error = rd_kafka_commit_transaction(client, 30000);
        }
        /* Of a transaction that must be aborted the coordinator has decided nothing yet. */
        int aborts = error && rd_kafka_error_txn_requires_abort(error);
        goes_on = is_fine(error, "committing");
        outcome = goes_on ? 'C' : 'U';
        committed_count += goes_on;
        if (aborts && is_fine(rd_kafka_abort_transaction(client, 30000), "aborting")) {
            goes_on = 1;
            outcome = 'X';
        }
    } else {
        goes_on = is_fine(rd_kafka_abort_transaction(client, 30000), "aborting");
        aborted_count += goes_on;
    }
    log_ended(tag, outcome);
    return goes_on;
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "setting %s=%s: %s\n", name, value, reason);
        exit(1);
    }
}

static rd_kafka_t *new_client(void) {
    char reason[256], timeout[16];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    snprintf(timeout, sizeof timeout, "%d", TRANSACTION_TIMEOUT_MS);
    set(conf, "bootstrap.servers", bootstrap);
    set(conf, "transactional.id", id);
    set(conf, "transaction.timeout.ms", timeout);
    set(conf, "message.timeout.ms", timeout);
    set(conf, "compression.codec", codec);
    set(conf, "linger.ms", "1");
    set(conf, "reconnect.backoff.max.ms", "500");
    set(conf, "log_level", "2");
    rd_kafka_conf_set_dr_msg_cb(conf, on_delivery);
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    if (!client) {
        fprintf(stderr, "making a client: %s\n", reason);
        exit(1);
    }
    return client;
}

int main(int argc, char **argv) {
    if (argc < 10)
        return 2;
    bootstrap = argv[1], id = argv[2], count = atoi(argv[4]), abort_percent = atoi(argv[5]), codec = argv[6];
    records_per_second = atof(argv[7]), value_bytes = atoi(argv[8]);
    for (int i = 9; i < argc && topic_count < TOPICS; i++) {
        char *colon = strchr(argv[i], ':');
        if (!colon)
            return 2;
        *colon = 0;
        topics[topic_count++] = (struct topic){argv[i], atoi(colon + 1)};
    }
    /* Two records at least, for two partitions. */
    if (count < 2 || count > RECORDS || records_per_second <= 0 || (topic_count < 2 && topics[0].partitions < 2))
        return 2;
    acknowledged = fopen(argv[3], "a");
    if (!acknowledged) {
        perror(argv[3]);
        return 1;
    }
    srand((unsigned)now_ms() ^ (unsigned)getpid());
    began_ms = now_ms();
    int64_t number = began_ms * 1000;
    int flows = 0;
    while (!is_stopping()) {
        rd_kafka_t *client = new_client();
        /* What an earlier client with this id left open is ended first. */
        int goes_on = is_fine(rd_kafka_init_transactions(client, 30000), "initializing");
        while (goes_on && !is_stopping()) {
            goes_on = transact(client, number++);
            if (goes_on && !flows++) {
                printf("{\"ready\":true}\n");
                fflush(stdout);
            }
            if (now_ms() - told_ms >= 1000) {
                told_ms = now_ms();
                tell_counters();
            }
            usleep((useconds_t)(1e6 * count / records_per_second));
        }
        rd_kafka_destroy(client);
        if (!goes_on)
            usleep(200000);
    }
    fclose(acknowledged);
    tell_counters();
    return 0;
}
