/* Prints the five best classes of a picture:  classify NETWORK.onb PICTURE.ppm
 * The picture is a binary PPM (P6, 255) of the size that the network was trained on. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onlooker.h"

/* The number at `index` of the list `key` in the metadata, or `otherwise`. */
static double listed(const char *json, const char *key, int index, double otherwise) {
    const char *at = strstr(json, key);
    at = at ? strchr(at, '[') : NULL;
    for (; at && index > 0; --index) at = strpbrk(at + 1, ",]");
    return at && *at != ']' ? strtod(at + 1, NULL) : otherwise;
}

/* Prints the name at `index` of the classes, if they have names. */
static void print_class(const char *json, int index, double percent) {
    const char *at = strstr(json, "\"classes\": [");
    at = at ? strchr(at + 9, '"') : NULL;
    for (int quotes = 2 * index; at && quotes > 0; --quotes) at = strchr(at + 1, '"');
    if (at) printf("%5.1f %%  %.*s\n", percent, (int)strcspn(at + 1, "\""), at + 1);
    else printf("%5.1f %%  class %d\n", percent, index);
}

int main(int count, char **arguments) {
    int width = 0, height = 0, failed = 1;
    FILE *file = count == 3 ? fopen(arguments[2], "rb") : NULL;
    if (!file || fscanf(file, "P6 %d %d 255", &width, &height) != 2 || width < 1 || height < 1 ||
        width > 4096 || height > 4096 || fgetc(file) == EOF)
        return fprintf(stderr, "usage: classify NETWORK.onb PICTURE.ppm\n"), 2;
    unsigned char *picture = calloc((size_t)width * height, 3);
    if (!picture || fread(picture, 3, (size_t)width * height, file) != (size_t)width * height)
        return fprintf(stderr, "%s is cut off\n", arguments[2]), 1;
    onlooker_model *model = onlooker_open(arguments[1], NULL);
    onlooker_session *session = model ? onlooker_session_new(model, 1, height, width) : NULL;
    onlooker_model_facts facts = {0};
    if (model) onlooker_model_ask(model, &facts);
    char *json = calloc(facts.metadata_length + 1, 1);
    float *scores = calloc((size_t)facts.result_channels + 1, sizeof *scores), values[3][256];
    if (session && json && scores && facts.input_channels == 3) {
        if (facts.metadata_length) memcpy(json, facts.metadata, facts.metadata_length);
        for (int c = 0; c < 3; ++c)
            for (int byte = 0; byte < 256; ++byte)
                values[c][byte] = (float)((byte / 255.0 - listed(json, "\"mean\"", c, 0)) /
                                          listed(json, "\"std\"", c, 1));
        onlooker_session_facts sizes;
        onlooker_session_ask(session, &sizes);
        if (sizes.result_height == 1 && sizes.result_width == 1)
            failed = onlooker_run(session, ONLOOKER_BYTES, picture, values[0], 1, scores);
    }
    const char *why = session ? "tells no classes of RGB pictures apart" : onlooker_error();
    if (failed) return fprintf(stderr, "%s: %s\n", arguments[1], why), 1;
    float most = scores[0];
    for (int i = 1; i < facts.result_channels; ++i) most = fmaxf(most, scores[i]);
    double sum = 0;
    for (int i = 0; i < facts.result_channels; ++i) sum += scores[i] = expf(scores[i] - most);
    for (int rank = 0; rank < 5 && rank < facts.result_channels; ++rank) {
        int best = 0;
        for (int i = 1; i < facts.result_channels; ++i)
            if (scores[i] > scores[best]) best = i;
        print_class(json, best, 100 * scores[best] / sum);
        scores[best] = -1;
    }
    onlooker_session_free(session);
    onlooker_close(model);
    return free(picture), free(json), free(scores), fclose(file);
}
