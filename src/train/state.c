/* Where a training stands, given and taken.
 * SPDX-License-Identifier: MIT */
#include "../model/training_state.h"
#include "trainer.h"

void weir__trainer_state(const weir_trainer *t, struct weir__training_state *s)
{
    bool paused = t->paused;
    *s = (struct weir__training_state){
        .model = &t->net.config,
        .notes = t->notes,
        .train = t->config,
        .weighted = t->config.class_weights != NULL,
        .real_size = t->net.k->real_size,
        .updates = t->updates,
        .power1 = t->power1,
        .power2 = t->power2,
        .plateau_factor = t->plateau_factor,
        .carried_rows = paused ? t->paused_rows : t->carried_rows,
        .fit = t->fit,
        .params = &t->net.params,
        .slots = {t->weights, t->moment1, t->moment2, t->best},
        .state_h = paused ? t->kept_h : t->work.state_h,
        .state_c = paused ? t->kept_c : t->work.state_c,
    };
    if (paused && t->fit.any_best) {
        s->slots[WEIR__SLOT_WEIGHTS] = t->best;
        s->slots[WEIR__SLOT_BEST] = t->weights;
    }
}

void weir__trainer_restore(weir_trainer *t, const struct weir__training_state *s)
{
    t->updates = s->updates;
    t->power1 = s->power1;
    t->power2 = s->power2;
    t->plateau_factor = s->plateau_factor;
    t->carried_rows = s->carried_rows;
    t->fit = s->fit;
    weir__network_pack(&t->net, t->weights, weir__trainer_parallel(t));
    if (t->fit.begun)
        weir__fit_pause(t);
}
