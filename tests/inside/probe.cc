// Run inside a container: prints as one JSON object what a process there sees.
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <unistd.h>

#include <initializer_list>

extern char** environ;

namespace {

void put_string(const char* text) {
    putchar('"');
    for (; *text != 0; ++text) {
        unsigned char c = static_cast<unsigned char>(*text);
        if (c == '"' || c == '\\') {
            printf("\\%c", c);
        } else if (c < 0x20) {
            printf("\\u%04x", c);
        } else {
            putchar(c);
        }
    }
    putchar('"');
}

void put_field(const char* name, const char* value) {
    printf(",\n\"%s\":", name);
    put_string(value);
}

const char* link_of(const char* path) {
    static char target[4096];
    ssize_t length = readlink(path, target, sizeof target - 1);
    target[length < 0 ? 0 : length] = 0;
    return target;
}

void put_lines(const char* name, const char* path) {
    printf(",\n\"%s\":[", name);
    FILE* file = fopen(path, "re");
    char line[16384];
    bool first = true;
    while (file != nullptr && fgets(line, sizeof line, file) != nullptr) {
        line[strcspn(line, "\n")] = 0;
        if (!first) putchar(',');
        first = false;
        put_string(line);
    }
    if (file != nullptr) fclose(file);
    putchar(']');
}

void put_status() {
    FILE* file = fopen("/proc/self/status", "re");
    char line[4096];
    const char* wanted[] = {"CapInh",     "CapPrm",  "CapEff", "CapBnd", "CapAmb",
                            "NoNewPrivs", "Seccomp", "SigBlk", "SigIgn", "Groups"};
    while (file != nullptr && fgets(line, sizeof line, file) != nullptr) {
        char* colon = strchr(line, ':');
        if (colon == nullptr) continue;
        *colon = 0;
        char* value = colon + 1 + strspn(colon + 1, "\t ");
        value[strcspn(value, "\n")] = 0;
        for (size_t n = strlen(value); n != 0 && value[n - 1] == ' '; --n) value[n - 1] = 0;
        for (const char* name : wanted) {
            if (strcmp(name, line) == 0) put_field(name, value);
        }
    }
    if (file != nullptr) fclose(file);
}

void put_descriptors() {
    printf(",\n\"fds\":{");
    DIR* dir = opendir("/proc/self/fd");
    bool first = true;
    while (dirent* entry = dir == nullptr ? nullptr : readdir(dir)) {
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(dir)) continue;
        char path[300];
        snprintf(path, sizeof path, "/proc/self/fd/%s", entry->d_name);
        if (!first) putchar(',');
        first = false;
        put_string(entry->d_name);
        putchar(':');
        put_string(link_of(path));
    }
    if (dir != nullptr) closedir(dir);
    putchar('}');
}

void put_rlimits() {
    printf(",\n\"rlimits\":[");
    for (int i = 0; i < RLIM_NLIMITS; ++i) {
        rlimit limit{};
        getrlimit(static_cast<__rlimit_resource>(i), &limit);
        printf("%s[%lld,%lld]", i == 0 ? "" : ",", static_cast<long long>(limit.rlim_cur),
               static_cast<long long>(limit.rlim_max));
    }
    putchar(']');
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && strcmp(argv[1], "exit") == 0) return atoi(argv[2]);
    printf("{\"pid\":%d,\"sid\":%d,\"uid\":%u,\"gid\":%u", getpid(), getsid(0), getuid(), getgid());
    printf(",\"euid\":%u,\"egid\":%u", geteuid(), getegid());
    for (const char* name : {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}) {
        char path[64], field[32];
        snprintf(path, sizeof path, "/proc/self/ns/%s", name);
        snprintf(field, sizeof field, "ns_%s", name);
        put_field(field, link_of(path));
    }
    put_status();
    char text[4096];
    put_field("cwd", getcwd(text, sizeof text) == nullptr ? "" : text);
    put_field("hostname", gethostname(text, sizeof text) == 0 ? text : "");
    put_field("domainname", getdomainname(text, sizeof text) == 0 ? text : "");
    put_field("tty", isatty(0) ? link_of("/proc/self/fd/0") : "");
    int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC);
    printf(",\n\"controlling_tty\":%s", terminal >= 0 ? "true" : "false");
    if (terminal >= 0) close(terminal);
    mode_t mask = 0;
    FILE* status = fopen("/proc/self/status", "re");
    while (status != nullptr && fgets(text, sizeof text, status) != nullptr) sscanf(text, "Umask: %o", &mask);
    if (status != nullptr) fclose(status);
    printf(",\"umask\":%u", mask);
    printf(",\n\"env\":[");
    for (char** e = environ; *e != nullptr; ++e) {
        if (e != environ) putchar(',');
        put_string(*e);
    }
    putchar(']');
    put_descriptors();
    put_rlimits();
    put_lines("oom_score_adj", "/proc/self/oom_score_adj");
    put_lines("cgroup", "/proc/self/cgroup");
    put_lines("mounts", "/proc/self/mountinfo");
    printf("}\n");
    return 0;
}
